/** What a page could start in at the least: hono and its server, one route. */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'

const app = new Hono().get('/dags', (c) => c.text('x'))
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.WEB_PORT) })
