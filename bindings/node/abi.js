'use strict'
// What the printed module stands on: the library, its errors, and how values cross.

const path = require('node:path')
const koffi = require('koffi')
const crossing = require('./crossing.js')
const { ARGUMENT, BUSY, PENDING, refused, millis, id } = crossing

const name = { darwin: 'libonce.dylib', win32: 'once.dll' }[process.platform] || 'libonce.so'
const lib = koffi.load(process.env.ONCE_LIBRARY || path.join(__dirname, name))
koffi.struct('once_data_t', { data: 'void *', size: 'size_t' })
const func = (declaration) => lib.func(declaration)

const close = func('int once_close(uint64_t self)')
const message = func('int once_message(uint64_t handle, int code, _Out_ once_data_t *result)')
const release = func('void once_free(_Inout_ once_data_t *data)')
const cancel = func('int once_cancel(uint64_t self)')
const callNew = func('int once_call_new(int64_t timeout, uint64_t cancel, uint64_t calls, _Out_ uint64_t *result)')
const callsNew = func('int once_calls_new(_Out_ uint64_t *result)')
const callsNext = func('int once_calls_next(uint64_t self, int64_t timeout, uint64_t cancel, _Out_ uint64_t *result)')
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
  return code === ARGUMENT ? refused(text) : new OnceError(text || errorName(code), code)
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

// Threads that wait are those of libuv, four of them, which files, DNS and all else need too.
// So calls that wait are made without waiting (CALLS in once.h), and one thread waits for all,
// in slices of milliseconds, after which the program can end. Calls that are under way by
// their handles, and what goes on when one has an outcome:
const SLICE = 200
const underWay = new Map()
let calls = null
let watching = false

function watch () {
  if (watching || underWay.size === 0) return
  const told = [0]
  try {
    callsNext.async(calls, SLICE, 0, told, (error, code) => {
      watching = false
      while (!error && code === 0) {
        underWay.get(told[0])?.()
        code = callsNext(calls, 0, 0, told)
      }
      watch()
    })
    watching = true
  } catch {
    setTimeout(watch, SLICE) // the program makes as many calls as koffi runs at a time
  }
}

// Makes a call that waits, within { timeout, signal }. make is given a timeout and what the
// call goes on with, and returns a code.
async function wait (handle, make, options = {}) {
  const { signal } = options
  const timeout = millis(options.timeout)
  signal?.throwIfAborted()
  if (calls === null) {
    const made = [0]
    check(0, callsNew(made))
    calls = made[0]
  }
  const call = [0]
  check(0, callNew(timeout, 0, calls, call))
  const abort = () => cancel(call[0])
  signal?.addEventListener('abort', abort)
  try {
    let code
    while ((code = make(0, call[0])) === PENDING) {
      await new Promise((resolve) => {
        underWay.set(call[0], resolve)
        watch()
      })
    }
    signal?.throwIfAborted()
    return code
  } finally {
    underWay.delete(call[0])
    signal?.removeEventListener('abort', abort)
    close(call[0])
  }
}

// Runs a call that ends by itself in a thread, at most two at a time.
const behind = []
let lingering = 0
async function lingers (handle, call, args) {
  while (lingering > 1) await new Promise((resolve) => behind.push(resolve))
  lingering++
  try {
    check(handle, await new Promise((resolve, reject) => call.async(handle, ...args, (error, code) => error ? reject(error) : resolve(code))))
  } finally {
    lingering--
    behind.shift()?.()
  }
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
  all (peer, name) {
    if (this.#all === null) {
      this.#all = Buffer.from(new ArrayBuffer(40))
      new BigUint64Array(this.#all.buffer, this.#all.byteOffset, 1)[0] = BigInt(this.handle)
    }
    this.#all.set(id(peer, name), 8)
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
    const { receive, decode, timedOut, room } = this.constructor
    const make = (timeout, call) => receive(this.handle, this.#buffer, this.#buffer.length, timeout, call, this.#size)
    let code = make(0, 0)
    while (code !== 0) {
      if (code === room) this.#buffer = Buffer.allocUnsafeSlow(Number(this.#size[0]))
      else if (code !== timedOut || options.timeout === 0) throw fail(this.handle, code)
      code = code === room ? make(0, 0) : await wait(this.handle, make, options)
      if (code === timedOut) throw fail(this.handle, code)
    }
    this.#waiting = decode(Buffer.from(this.#buffer.subarray(0, Number(this.#size[0]))))
    this.#next = 0
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

module.exports = {
  ...crossing, koffi, view: koffi.view, func, fail, check, take, wait, lingers, Handle, Source, OnceError
}
