/** What a proxy needs of the rest of the engine. */
import type { ClientEnvironment } from '../client/environment.js'
import type { Devices } from './devices.js'
import type { RecordRouting } from './record-route.js'

export interface ProxyEnvironment extends ClientEnvironment {
  readonly recordRouting: RecordRouting
  readonly devices: Devices
  /** Most branches of one request; further targets are left out. */
  readonly maxForks: number
}
