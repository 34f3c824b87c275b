'use strict'
// What bench.py does, in JavaScript: bench.js ROLE WHAT COUNT SIZE PORT.

const once = require('at-once')
const [role, what, countText, size, port] = process.argv.slice(2)
const count = Number(countText)

async function main () {
  const node = new once.Node(role, { interfaces: '127.0.0.1', beaconPort: Number(port), interval: 100, security: 'plain' })
  await node.start()
  const events = node[Symbol.asyncIterator]()
  const next = async (type) => {
    for (;;) {
      const { value } = await events.next()
      if (value.type === type) return value
    }
  }
  const { peer } = await next('enter')
  const octets = Buffer.alloc(Number(size))
  let begin = performance.now()
  if (role === 'b') {
    for (let i = 0; i < count; i++) {
      const event = await next('whisper')
      if (what !== 'flood') await node.whisper(event.peer, event.msg)
    }
    if (what === 'flood') await node.whisper(peer, 'all')
    await next('exit')
  } else if (what === 'flood') {
    for (let i = 0; i < count; i++) await node.whisper(peer, octets)
    await next('whisper')
    console.log(`${(count / (performance.now() - begin) * 1000).toFixed(0)} messages/s`)
  } else {
    const times = []
    for (let i = 0; i < count; i++) {
      begin = performance.now()
      await node.whisper(peer, octets)
      await next('whisper')
      times.push(performance.now() - begin)
    }
    console.log(`${(times.sort((a, b) => a - b)[count >> 1] * 1000).toFixed(1)} us`)
  }
  await node.close()
}

main()
