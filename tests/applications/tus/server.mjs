// A tus server that keeps uploads in its own directory, as the documentation of @tus/server has it.

import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'

const server = new Server({
  path: '/files',
  datastore: new FileStore({ directory: process.env.DIRECTORY })
})

const listening = server.listen({ host: '127.0.0.1', port: 0 }, () => {
  console.log('listening on ' + listening.address().port)
})
