/** The SIP engine, and another one in its place if its thread dies. */
import type { EngineAddresses, EngineStats } from './engine/engine.js'
import { startEngine, type EngineHost, type EngineLog, type WorkerOptions } from './engine/host.js'
import type { TlsMaterial } from './engine/transport/transport.js'

/** Pause before a dead engine is started again, ms. */
const restartMs = 1000

interface KeeperLog extends EngineLog {
  fatal(details: object, text: string): void
}

export class KeptEngine {
  #stopping = false
  #dead = false

  private constructor(
    private options: WorkerOptions,
    private readonly log: KeeperLog,
    private readonly pauseMs: number,
    private current: EngineHost,
  ) {}

  /** Rejects as `startEngine` does if the first one can't be started. */
  static async start(options: WorkerOptions, log: KeeperLog, pauseMs = restartMs): Promise<KeptEngine> {
    const current = await startEngine(options, log, (error) => void kept.#revive(error))
    const kept = new KeptEngine(options, log, pauseMs, current)
    return kept
  }

  /** The same for all engines that follow each other. */
  get addresses(): EngineAddresses {
    return this.current.addresses
  }

  /**
   * Renews the certificate, also for an engine that takes the place of this one. Rejects if it can't be used, or while
   * the engine is dead.
   */
  async updateTls(material: TlsMaterial): Promise<void> {
    if (this.#dead) throw new Error('the SIP engine died and is being started again')
    await this.current.updateTls(material)
    this.options = { ...this.options, tls: material }
  }

  /** Takes no new calls, waits up to `ms` for unanswered requests. */
  drain(ms: number): Promise<void> {
    return this.current.drain(ms)
  }

  /** Rejects while the engine is dead. */
  stats(): Promise<EngineStats> {
    return this.current.stats()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.current.stop()
  }

  /** Ends the engine on the spot, as a crash would; for tests of what follows. */
  kill(): Promise<void> {
    return this.current.kill()
  }

  /** On the ports of the one before, which the system may have chosen. */
  async #revive(cause: Error): Promise<void> {
    this.#dead = true
    const { listeners, control } = this.addresses
    for (let error: unknown = cause; !this.#stopping;) {
      this.log.fatal({ err: error }, 'the SIP engine died; starting it again')
      await new Promise((resolve) => setTimeout(resolve, this.pauseMs))
      if (this.#stopping) return
      const options: WorkerOptions = {
        ...this.options,
        listeners: this.options.listeners.map((spec, index) => ({
          ...spec,
          port: listeners[index]?.port ?? spec.port,
        })),
        control: { ...this.options.control, ...control },
      }
      try {
        this.current = await startEngine(options, this.log, (death) => void this.#revive(death))
        this.#dead = false
        if (this.#stopping) await this.current.stop()
        this.log.warn({}, 'the SIP engine runs again')
        return
      } catch (failure) {
        error = failure
      }
    }
  }
}
