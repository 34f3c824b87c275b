'use strict'
// What bench.js does, as zeromq.js has it: the two frames of a ZRE whisper, from a DEALER to a ROUTER.

const zmq = require('zeromq')
const [role, what, countText, size, port] = process.argv.slice(2)
const count = Number(countText)
const head = Buffer.alloc(7)

async function main () {
  const other = Number(port) - 10000
  const inbound = new zmq.Router()
  const peer = new zmq.Dealer()
  await inbound.bind(`tcp://127.0.0.1:${role === 'b' ? other : port}`)
  peer.connect(`tcp://127.0.0.1:${role === 'b' ? port : other}`)
  await peer.send([head, 'hello'])
  await inbound.receive()
  const octets = Buffer.alloc(Number(size))
  let begin = performance.now()
  if (role === 'b') {
    for (let i = 0; i < count; i++) {
      const message = await inbound.receive()
      if (what !== 'flood') await peer.send([head, message[2]])
    }
    if (what === 'flood') await peer.send([head, 'all'])
  } else if (what === 'flood') {
    for (let i = 0; i < count; i++) await peer.send([head, octets])
    await inbound.receive()
    console.log(`${(count / (performance.now() - begin) * 1000).toFixed(0)} messages/s`)
  } else {
    const times = []
    for (let i = 0; i < count; i++) {
      begin = performance.now()
      await peer.send([head, octets])
      await inbound.receive()
      times.push(performance.now() - begin)
    }
    console.log(`${(times.sort((a, b) => a - b)[count >> 1] * 1000).toFixed(1)} us`)
  }
  peer.close() // what is queued goes out before
  inbound.close()
}

main()
