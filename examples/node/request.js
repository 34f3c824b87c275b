'use strict'
// Requests and replies: "request.js serve NAME" answers, "request.js ask NAME TEXT" asks
// whoever serves. A request is a number and a text; its reply has the same number.

const { Node } = require('at-once')

async function serve (name) {
  const node = new Node(name, { headers: { service: 'upper' } })
  await node.start()
  for await (const { type, peer, msg } of node) {
    const [number, text] = msg
    if (type === 'whisper' && msg.length === 2) await node.whisper(peer, [number, String(text).toUpperCase()])
  }
}

async function ask (name, question) {
  const node = new Node(name)
  await node.start()
  for await (const { type, peer, msg: [number, text] } of node) {
    if (type === 'enter' && peer.header('service') === 'upper') await node.whisper(peer, ['1', question])
    else if (type === 'whisper' && String(number) === '1') {
      console.log(String(text))
      break
    }
  }
  await node.close()
}

const [what, ...words] = process.argv.slice(2)
if (what === 'serve' && words.length === 1) serve(...words)
else if (what === 'ask' && words.length === 2) ask(...words)
else {
  console.error('request.js serve NAME, or request.js ask NAME TEXT')
  process.exitCode = 2
}
