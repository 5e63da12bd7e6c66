// Uploads with tus-js-client: client.mjs ENDPOINT COUNT HEADER.
//
// All uploads run at the same time. Each client sends half of its file and ends. Another client, which only has the URL
// of the upload, continues, as after a restart. HEADER is sent with a different value for each upload. The parent of
// this program is the module `clients`, which describes the output.

import { once } from 'node:events'
import { Upload } from 'tus-js-client'

const [endpoint, count, header] = process.argv.slice(2)
const chunkSize = 64 * 1024
const file = Buffer.alloc(8 * chunkSize, 'tus')

function upload (options) {
  return new Promise((resolve, reject) => {
    const upload = new Upload(file, {
      endpoint,
      chunkSize,
      retryDelays: null,
      onError: reject,
      onSuccess: () => resolve(upload.url),
      onChunkComplete (size, sent) {
        if (options.until && sent >= options.until) upload.abort().then(() => resolve(upload.url), reject)
      },
      ...options
    })
    upload.start()
  })
}

const failed = (error) => console.log('failed', String(error).replaceAll('\n', ' '))

async function firstHalf (index) {
  const headers = { [header]: `file-${index}-of-${process.pid}` }
  return { headers, uploadUrl: await upload({ headers, until: file.length / 2 }) }
}

async function secondHalf ({ headers, uploadUrl }) {
  const url = await upload({ headers, uploadUrl, retryDelays: [0, 100, 200, 400, 800, 1600] })
  if (url === uploadUrl) console.log('done')
  else console.log('again', 'the whole file is sent a second time')
}

const halves = await Promise.all(Array.from({ length: Number(count) }, (_, index) => firstHalf(index).catch(failed)))
console.log('halfway')
await once(process.stdin, 'data')
process.stdin.destroy()
await Promise.all(halves.filter(Boolean).map((half) => secondHalf(half).catch(failed)))
