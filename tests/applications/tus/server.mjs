// A tus server that keeps uploads in its own directory, and a page that uploads with tus-js-client. Both follow their
// documentation.

import { createServer } from 'node:http'
import { createReadStream } from 'node:fs'
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'

const server = new Server({
  path: '/files',
  datastore: new FileStore({ directory: process.env.DIRECTORY })
})

const pages = { '/': 'index.html', '/tus.js': 'node_modules/tus-js-client/dist/tus.min.js' }

const listening = createServer((req, res) => {
  if (pages[req.url]) createReadStream(pages[req.url]).pipe(res)
  else server.handle(req, res)
})
listening.listen(0, '127.0.0.1', () => {
  console.log('listening on ' + listening.address().port)
})
