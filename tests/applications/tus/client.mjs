// Uploads with tus-js-client: client.mjs ENDPOINT COUNT HEADER.
//
// All uploads run at the same time. Each sends half of its file, ends, and goes on as another client that has the URL of
// the upload only, as after a restart. HEADER is sent with a value of its own for each upload. Prints one line for each
// upload: "done" and the URL of the upload, or "failed" and why.

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

async function uploadInTwoParts (index) {
  const headers = { [header]: `file-${index}-of-${process.pid}` }
  try {
    const uploadUrl = await upload({ headers, until: file.length / 2 })
    console.log('done', await upload({ headers, uploadUrl }))
  } catch (error) {
    console.log('failed', String(error).replaceAll('\n', ' '))
  }
}

await Promise.all(Array.from({ length: Number(count) }, (_, index) => uploadInTwoParts(index)))
