/** The minimum that starting a page can cost: hono, its server and one route. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono().get('/dags', (c) => c.text('x'))
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.WEB_PORT) })
