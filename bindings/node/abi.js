'use strict'
// What the printed module stands on: the library, its errors, and how values cross.

const path = require('node:path')
const koffi = require('koffi')

const name = { darwin: 'libonce.dylib', win32: 'once.dll' }[process.platform] || 'libonce.so'
const lib = koffi.load(process.env.ONCE_LIBRARY || path.join(__dirname, name))
koffi.struct('once_data_t', { data: 'void *', size: 'size_t' })
const func = (declaration) => lib.func(declaration)

const close = func('int once_close(uint64_t self)')
const message = func('int once_message(uint64_t handle, int code, _Out_ once_data_t *result)')
const release = func('void once_free(_Inout_ once_data_t *data)')
const cancelNew = func('int once_cancel_new(_Out_ uint64_t *result)')
const cancel = func('int once_cancel(uint64_t self)')
const errorName = func('const char *once_error_name(int code)')

/** An error of the library; code is its name, errno the number that C has. */
class OnceError extends Error {
  constructor (text, errno) {
    super(text)
    this.name = 'OnceError'
    this.code = errorName(errno).toUpperCase().replaceAll(' ', '_')
    this.errno = errno
  }
}

function fail (handle, code) {
  const said = {}
  const text = message(handle, code, said) === 0 ? take(said).toString() : ''
  return new OnceError(text || errorName(code), code)
}

function check (handle, code) {
  if (code !== 0) throw fail(handle, code)
}

// Returns what the library gave, and releases it.
function take (data) {
  const octets = data.size ? Buffer.from(new Uint8Array(koffi.view(data.data, data.size))) : Buffer.alloc(0)
  release(data)
  return octets
}

const whole = (value) => {
  if (typeof value !== 'number' || Number.isNaN(value)) throw new TypeError('a number is needed')
  return Math.max(-(2 ** 53), Math.min(Math.trunc(value), 2 ** 53))
}
const moment = (nanoseconds) => nanoseconds === 0 ? null : new Date(nanoseconds / 1e6)

const hex = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))
function uuid (data, at = 0) {
  let text = ''
  for (let i = 0; i < 16; i++) text += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + hex[data[at + i]]
  return text
}

// The octets of a peer or of its UUID; those that were asked for lately are kept.
let known = new Map()
function id (peer) {
  const text = typeof peer === 'string' ? peer : peer.uuid
  let octets = known.get(text)
  if (octets === undefined) {
    octets = Buffer.from(String(text).replaceAll('-', ''), 'hex')
    if (octets.length !== 16) throw new TypeError(`${text} is no UUID`)
    if (known.size > 4096) known = new Map()
    known.set(text, octets)
  }
  return octets
}

function octetsOf (frame) {
  if (typeof frame === 'string') return Buffer.from(frame)
  if (!(frame instanceof Uint8Array)) throw new TypeError('a string, a Buffer or a Uint8Array is needed')
  return frame
}

// The only frame of content, or null if there are several, or none.
function single (frames) {
  if (!Array.isArray(frames)) return octetsOf(frames)
  return frames.length === 1 ? octetsOf(frames[0]) : null
}

// Content as it crosses: one frame, or an array of them.
function content (frames) {
  const list = Array.isArray(frames) ? frames.map(octetsOf) : [octetsOf(frames)]
  const sizes = Buffer.allocUnsafe(8 * list.length)
  list.forEach((frame, i) => sizes.writeBigUInt64LE(BigInt(frame.length), 8 * i))
  return { data: list.length === 1 ? list[0] : Buffer.concat(list), sizes, count: list.length }
}

function entries (data, at, count) {
  const list = new Array(count)
  for (let i = 0; i < count; i++) {
    const size = data.readUInt32BE(at)
    at += 4
    list[i] = data.subarray(at, at + size)
    at += size
  }
  return [list, at]
}
const frames = entries
function texts (data, at, count) {
  const [list, end] = entries(data, at, count)
  return [list.map(String), end]
}
function pairsOf (data, at, count, turn) {
  const [list, end] = entries(data, at, 2 * count)
  const found = Object.create(null)
  for (let i = 0; i < list.length; i += 2) found[list[i].toString()] = turn(list[i + 1])
  return [found, end]
}
const pairs = (data, at, count) => pairsOf(data, at, count, String)
const numbers = (data, at, count) => pairsOf(data, at, count, (octets) => Number(octets.readBigUInt64BE()))
const alone = (read, data) => read(data, 4, data.readUInt32BE(0))[0]

// Runs a call that waits in a thread of koffi's, within { timeout, signal }.
async function apart (handle, call, args, options = {}, result = null) {
  const token = [0]
  const { signal, timeout } = options
  signal?.throwIfAborted()
  check(0, signal ? cancelNew(token) : 0)
  const abort = () => cancel(token[0])
  signal?.addEventListener('abort', abort)
  try {
    const code = await new Promise((resolve, reject) => call.async(handle, ...args, timeout === undefined ? -1 : whole(timeout), token[0], ...(result ? [result] : []),
      (error, code) => error ? reject(error) : resolve(code)))
    signal?.throwIfAborted()
    check(handle, code)
  } finally {
    signal?.removeEventListener('abort', abort)
    if (signal) close(token[0])
  }
}

// Runs a call that ends by itself in a thread.
async function lingers (handle, call, args) {
  check(handle, await new Promise((resolve, reject) => call.async(handle, ...args, (error, code) => error ? reject(error) : resolve(code))))
}

// What nobody has closed is closed when its object is gone, one after the other: koffi
// refuses to run very many calls at a time.
const lost = []
const forgotten = new FinalizationRegistry((handle) => { if (lost.push(handle) === 1) closeLost() })
function closeLost () {
  try {
    close.async(lost[0], () => {
      lost.shift()
      if (lost.length > 0) closeLost()
    })
  } catch {
    setTimeout(closeLost, SLICE).unref()
  }
}

// Threads that wait are those of libuv, four of them, which files, DNS and all other calls
// that wait need too. So waits for events are in slices of milliseconds, shorter ones if
// there are several of them.
const SLICE = 200
const SHORT = 20
const BUSY = -80378
let waits = 0

/** An object of the library. */
class Handle {
  #all = null
  #closed = false

  own (handle, parent) {
    Object.defineProperty(this, 'handle', { value: handle })
    Object.defineProperty(this, 'parent', { value: parent })
    forgotten.register(this, handle)
    return this
  }

  // What goes with a call that does not wait, beside a frame: the handle, whom it is to.
  all (peer) {
    if (this.#all === null) {
      this.#all = Buffer.from(new ArrayBuffer(40))
      new BigUint64Array(this.#all.buffer, this.#all.byteOffset, 1)[0] = BigInt(this.handle)
    }
    this.#all.set(id(peer), 8)
    return this.#all
  }

  isClosed () { return this.#closed }

  /** Closes it, and what belongs to it. Twice is safe. */
  async close () {
    this.#closed = true
    await lingers(this.handle, close, [])
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')] () { await this.close() }
}

/** An object that has events. */
class Source extends Handle {
  #waiting = []
  #next = 0
  #buffer = Buffer.allocUnsafeSlow(1 << 18)
  #size = [0]
  #receiving = false

  // Takes what waits, or waits for it in a thread.
  async #fill (options = {}) {
    if (this.#receiving) throw fail(this.handle, BUSY)
    this.#receiving = true
    try {
      await this.#take(options)
    } finally {
      this.#receiving = false
    }
  }

  async #take (options) {
    const { receive, decode } = this.constructor
    const timeout = options.timeout === undefined ? -1 : whole(options.timeout)
    const end = timeout < 0 ? Infinity : performance.now() + timeout
    for (;;) {
      let code = receive(this.handle, this.#buffer, this.#buffer.length, 0, 0, this.#size)
      const left = Math.ceil(end - performance.now())
      if (code === this.constructor.timedOut && left > 0) {
        const slice = Math.min(left, waits < 2 ? SLICE : SHORT)
        waits++
        try {
          await apart(this.handle, receive, [this.#buffer, this.#buffer.length], { signal: options.signal, timeout: slice }, this.#size)
          code = 0
        } catch (error) {
          if (error.errno === this.constructor.timedOut) continue
          if (error.errno !== this.constructor.room) throw error
          code = error.errno
        } finally {
          waits--
        }
      }
      if (code === this.constructor.room) {
        this.#buffer = Buffer.allocUnsafeSlow(Number(this.#size[0]))
        continue
      }
      check(this.handle, code)
      this.#waiting = decode(Buffer.from(this.#buffer.subarray(0, Number(this.#size[0]))))
      this.#next = 0
      return
    }
  }

  async receiveBatch (options) {
    if (this.#next >= this.#waiting.length) await this.#fill(options)
    const events = this.#waiting.slice(this.#next)
    this.#next = this.#waiting.length
    return events
  }

  async receive (options) {
    if (this.#next >= this.#waiting.length) await this.#fill(options)
    return this.#waiting[this.#next++]
  }

  // The next event, after others have had their turn.
  async #more () {
    await new Promise(setImmediate)
    try {
      return { value: await this.receive(), done: false }
    } catch (error) {
      if (this.isClosed() || error.errno === this.constructor.ends) return { value: undefined, done: true }
      throw error
    }
  }

  [Symbol.asyncIterator] () {
    let ended = false
    return {
      next: () => ended || this.#next < this.#waiting.length
        ? Promise.resolve(ended ? { value: undefined, done: true } : { value: this.#waiting[this.#next++], done: false })
        : this.#more().then((step) => { ended = step.done; return step }),
      return: async () => { ended = true; return { value: undefined, done: true } },
      [Symbol.asyncIterator] () { return this }
    }
  }
}

module.exports = { koffi, func, fail, check, take, whole, moment, uuid, id, content, single, frames, texts, pairs, numbers, alone, apart, lingers, Handle, Source, OnceError, view: koffi.view }
