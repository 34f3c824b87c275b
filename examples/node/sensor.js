'use strict'
// A sensor: sensor.js NAME. Each second it tells the group "temperature" what it measures,
// and it shows what others do. What the numbers are in, a header says.

const { Node } = require('at-once')

async function main () {
  const node = new Node(process.argv[2], { groups: ['temperature'], headers: { unit: '°C' } })
  await node.start()
  setInterval(() => node.shout('temperature', (20 + 5 * Math.random()).toFixed(1)), 1000)
  for await (const event of node) {
    if (event.type === 'shout') console.log(`${event.peer.name} measures ${event.msg[0]} ${event.peer.header('unit')}`)
  }
}

main()
