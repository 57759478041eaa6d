import { createHash } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify'

const INLINE_SCRIPT = /<script type="text\/javascript">([\s\S]*?)<\/script>/g

/**
 * The API reference page at /docs. All it needs comes from this server; it works without the internet. Its plugin carries
 * the page's whole program (4 MB, 20 MB once loaded), so it is loaded when somebody opens the page for the first time.
 */
export const reference: FastifyPluginAsync = async (app) => {
  let pages: Promise<FastifyInstance> | undefined

  app.get('/docs', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs/', 301))

  for (const path of ['/docs/', '/docs/js/scalar.js']) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) => {
      const answer = await (await (pages ??= loadPages())).inject(path)
      const type = String(answer.headers['content-type'])
      if (type.startsWith('text/html'))
        reply.header('content-security-policy', contentSecurityPolicy(answer.payload))
      return reply.code(answer.statusCode).type(type).send(answer.payload)
    })
  }
}

async function loadPages(): Promise<FastifyInstance> {
  const { default: scalar } = await import('@scalar/fastify-api-reference')
  const pages = Fastify()
  await pages.register(scalar, {
    routePrefix: '/docs',
    configuration: {
      url: '/openapi.json',
      pageTitle: 'Privateline API',
      // Each of these would load or send something elsewhere.
      withDefaultFonts: false,
      telemetry: false,
      agent: { disabled: true },
      hideClientButton: true,
      showDeveloperTools: 'never',
    },
  })
  return pages
}

/** Scripts: this server's own and the one line in the page, by its hash. Styles: the page makes them as it runs. */
function contentSecurityPolicy(page: string): string {
  const hashes = [...page.matchAll(INLINE_SCRIPT)].map(
    ([, script = '']) => `'sha256-${createHash('sha256').update(script).digest('base64')}'`,
  )
  return [
    "default-src 'none'",
    `script-src 'self' ${hashes.join(' ')}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}
