/**
 * The program can't start, or can't go on, for a reason that its user can put right: a taken port, an unreadable
 * file, a database that doesn't answer. `userMessage` is one clear line that names the setting; no stack is shown.
 */
export class StartError extends Error {
  override readonly name = 'StartError'
  readonly userMessage: string

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.userMessage = message
  }
}
