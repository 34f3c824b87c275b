'use strict'
// A chat: chat.js NAME. What you type goes to everybody in the group "chat".

const readline = require('node:readline')
const { Node } = require('at-once')

async function show (node) {
  for await (const event of node) {
    if (event.type === 'join') console.log(`* ${event.peer.name} is here`)
    else if (event.type === 'exit' && event.reason !== 'stopped') console.log(`* ${event.peer.name} has left`)
    else if (event.type === 'shout') console.log(`${event.peer.name}: ${event.msg[0]}`)
  }
}

async function main () {
  const node = new Node(process.argv[2], { groups: ['chat'] })
  await node.start()
  const shower = show(node)
  for await (const line of readline.createInterface({ input: process.stdin })) await node.shout('chat', line)
  await node.stop()
  await shower // the events end when the node has stopped
}

main()
