/**
 * An application that answers every request 200 at once and reads nothing of it but the number of its transaction:
 * the engine is alone with its own work. It speaks the control protocol by itself.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { FrameReader, frame } from '../../src/engine/control/frames.js'
import { serveSubject, subjectOptions } from '../subject.js'

const { control, method } = subjectOptions<{
  control: { host: string; port: number; secret: string }
  method: string
}>()

const socket = connect(control.port, control.host)
socket.setNoDelay(true)
await once(socket, 'connect')

/** Where the transaction's number stands between the bars of a frame with a request. */
const transactionField = 8
const reader = new FrameReader(1024 * 1024)
let sequence = 0

const answerTo = (text: string): string => {
  let from = 0
  for (let field = 0; field < transactionField; field++) from = text.indexOf('|', from) + 1
  const transaction = text.slice(from, text.indexOf('|', from))
  return frame(
    `a${++sequence}|sip|${transaction}|\r\nSIP/2.0 200 OK\r\nContact: <sip:bench@127.0.0.1>;expires=600\r\n\r\n`,
  )
}

/** What the engine answers to the two commands at the start. */
let awaited = 2
const started = new Promise<void>((resolve, reject) => {
  socket.on('data', (bytes: Buffer) => {
    let answers = ''
    for (const text of reader.push(bytes)) {
      const [, verb, , verdict] = text.split('|', 4)
      if (verb === 'sip') answers += answerTo(text)
      else if (awaited > 0) {
        if (verdict !== 'OK') reject(new Error(text))
        if (--awaited === 0) resolve()
      }
    }
    if (answers !== '') socket.write(answers, 'latin1')
  })
})
socket.write(frame(`1|authenticate|${control.secret}|`) + frame(`2|route|${method}`))
await started
serveSubject('connected', {}, () => socket.destroy())
