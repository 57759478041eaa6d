export const usage = ''
export const run = async (_: string[]): Promise<void> => {}
