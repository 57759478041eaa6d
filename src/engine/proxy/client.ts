/** What a proxy needs of the rest of the engine. */
import type { ClientEnvironment } from '../client/environment.js'
import type { RecordRouting } from './record-route.js'

export interface ProxyEnvironment extends ClientEnvironment {
  readonly recordRouting: RecordRouting
  /** Most branches of one request; further targets are left out. */
  readonly maxForks: number
}
