import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import t from 'tap'
import { fittingConnections, readDescriptorLimit } from '../src/descriptor-limit.js'

t.test('connections stay below the limit on descriptors, and one line says so', async (t) => {
  const lines: string[] = []
  const fitting = (limit: number) =>
    fittingConnections(20_000, { warn: (fields, text) => lines.push(JSON.stringify(fields) + text) }, limit)
  t.equal(fitting(Infinity), 20_000)
  t.equal(fitting(20_200), 20_000)
  t.equal(fitting(20_000), 19_800)
  t.strictSame(lines, [], 'nothing to speak of')
  t.equal(fitting(16_384), 16_184)
  t.match(lines, [/"limit":16384.*"allowed":16184.*20200 or more.*LimitNOFILE.*ulimit -n/])
  t.equal(fitting(350), 175)
  t.equal(fitting(64), 32, 'some are left on the smallest system')
})

t.test('the soft limit of this process is read where the system tells it', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'privateline-limits-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'limits')
  writeFileSync(
    file,
    'Limit                     Soft Limit           Hard Limit           Units     \n' +
      'Max processes             62832                62832                processes \n' +
      'Max open files            1024                 524288               files     \n',
  )
  t.equal(readDescriptorLimit(file), 1024)
  t.equal(readDescriptorLimit(`${file}.none`), Infinity)
  writeFileSync(file, 'Max open files            unlimited            unlimited            files     \n')
  t.equal(readDescriptorLimit(file), Infinity)
  t.ok(readDescriptorLimit() >= 64, 'as on this machine')
})
