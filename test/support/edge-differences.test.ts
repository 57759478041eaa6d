import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { differences } from './edge-differences.js'
import { root } from './tools.js'

const text = (path: string): string => readFileSync(join(root, path), 'utf8').replace(/\s+/g, ' ')

t.test('the page of known differences lists them all', async (t) => {
  const page = text('docs/decisions/two-edges.md')
  for (const [name, { embedded, drachtioServer, why }] of Object.entries(differences))
    t.ok(page.includes(`| ${name} | ${embedded} | ${drachtioServer} | ${why} |`), name)
})

t.test('a test asserts each of them', async (t) => {
  const folder = 'test/engine/srf'
  const tests = readdirSync(join(root, folder))
    .map((file) => text(`${folder}/${file}`))
    .join(' ')
  for (const name of Object.keys(differences))
    t.ok(new RegExp(`differs\\(\\s*'${escaped(name)}'`).test(tests), name)
})

function escaped(name: string): string {
  return name.replace(/[`.*+?^${}()|[\]\\]/g, '\\$&')
}
