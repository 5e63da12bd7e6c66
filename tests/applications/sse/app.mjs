// An application that sends server-sent events with better-sse. The open streams are in the memory of this process.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { createSession } from 'better-sse'

const app = express()
const streams = new Map()

app.get('/', (req, res) => {
  res.sendFile('index.html', { root: import.meta.dirname })
})

app.get('/events', async (req, res) => {
  const stream = await createSession(req, res)
  const id = randomUUID()
  streams.set(id, stream)
  stream.once('disconnected', () => streams.delete(id))
  stream.push(id, 'begin')
})

app.post('/messages/:id', express.text(), (req, res) => {
  const stream = streams.get(req.params.id)
  if (!stream) return res.sendStatus(404)
  stream.push(`you said ${req.body}`)
  res.sendStatus(202)
})

const server = app.listen(0, '127.0.0.1', () => {
  console.log('listening on ' + server.address().port)
})
