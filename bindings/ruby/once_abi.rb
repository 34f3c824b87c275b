# frozen_string_literal: true

# What the printed module stands on: the library, its errors, and how values cross.

require "ffi"
require_relative "once_crossing"

module Once
  module Lib
    extend FFI::Library
    ffi_lib ENV["ONCE_LIBRARY"] || File.join(__dir__, "libonce.so")
    attach_function :once_compatible, [:int, :string], :int
    attach_function :once_version, [], :string
    attach_function :once_error_name, [:int], :string
    attach_function :once_close, [:uint64], :int, blocking: true
    attach_function :once_message, [:uint64, :int, :pointer], :int
    attach_function :once_free, [:pointer], :void
    attach_function :once_call_new, [:int64, :uint64, :uint64, :pointer], :int
    attach_function :once_descriptor, [:uint64, :pointer], :int
  end
  private_constant :Lib

  # An error of the library: name is the model's, such as :no_peer, code the number that C has.
  class Error < StandardError
    attr_reader :name, :code

    def initialize(handle, code)
      @code = code
      @name = Lib.once_error_name(code).tr(" ", "_").to_sym
      said = FFI::MemoryPointer.new(16)
      super(Lib.once_message(handle, code, said).zero? ? Abi.utf8(Abi.take(said)) : @name.to_s)
    end
  end

  module Abi
    module_function

    SLICE = 200 # milliseconds after which a wait looks whether its thread is to end

    # Wrong arguments are an ArgumentError, or a TypeError, as everywhere in Ruby.
    def fail(handle, code)
      error = Error.new(handle, code)
      raise code == ARGUMENT ? ArgumentError.new(error.message) : error
    end

    def check(handle, code) = code.zero? || fail(handle, code)

    # Makes a call that waits, in slices, after which its thread may end. again says that what
    # was not done in no time may be begun anew.
    def wait(handle, timeout, again: false)
      left = millis(timeout)
      if again
        code = yield(0, 0)
        return check(handle, code) if left.zero? || code != TIMED_OUT
      end
      made = FFI::MemoryPointer.new(8)
      check(0, Lib.once_call_new(left, 0, 0, made))
      call = made.get_uint64(0)
      loop do
        code = yield(SLICE, call)
        return check(handle, code) unless code == PENDING
      end
    ensure
      Lib.once_close(call) if call
    end

    # Makes a call that ends by itself; what comes meanwhile ends the wait for it.
    def linger(handle) = check(handle, Thread.new { yield }.tap { |made| made.report_on_exception = false }.value)

    # Returns what the library gave, and releases it.
    def take(data)
      size = data.get_uint64(8)
      octets = size.zero? ? String.new : data.get_pointer(0).read_bytes(size)
      Lib.once_free(data)
      octets
    end

    # An object of the library. Closing it closes what belongs to it; twice is safe.
    class Handle
      attr_reader :handle

      def self.of(handle, parent = nil) = allocate.tap { |made| made.__send__(:own, handle, parent) }

      def self.closer(handle) = ->(_) { Lib.once_close(handle) }

      def close
        @closed = true
        Abi.linger(handle) { Lib.once_close(handle) }
      end

      private

      def own(handle, parent = nil)
        @handle, @parent = handle, parent
        ObjectSpace.define_finalizer(self, Handle.closer(handle))
      end
    end

    # An object that has events: each of them, until it has stopped. IO.select takes it, too.
    class Source < Handle
      include Enumerable

      def each
        return to_enum unless block_given?

        while (event = receive_until_end)
          yield event
        end
      end

      # What IO.select finds readable while events wait.
      def to_io
        @to_io ||= begin
          found = FFI::MemoryPointer.new(:int)
          Abi.check(handle, Lib.once_descriptor(handle, found))
          IO.for_fd(found.read_int, autoclose: false)
        end
      end

      private

      # The next event, or nil at the end. What the block of each raises does not pass here.
      def receive_until_end
        receive_one(nil)
      rescue Error => e
        raise unless @closed || e.code == self.class.const_get(:ENDS, false)
      end

      def receive_one(timeout)
        alone do
          @waiting = taken(timeout) if @waiting.nil? || @waiting.empty?
          @waiting.shift
        end
      end

      def receive_batch(timeout) = alone { taken(timeout) }

      # Receives in one thread at a time: what was received is not the library's any more.
      def alone
        Abi.fail(handle, BUSY) unless @receiving.try_lock
        begin
          yield
        ensure
          @receiving.unlock
        end
      end

      def own(handle, parent = nil)
        @receiving = Mutex.new
        super
      end

      # What was received and not handed out, or what comes.
      def taken(timeout)
        waiting, @waiting = @waiting, nil
        return waiting if waiting && !waiting.empty?

        @buffer ||= FFI::MemoryPointer.new(1 << 18)
        size = FFI::MemoryPointer.new(:size_t)
        Abi.wait(handle, timeout, again: true) { |slice, call| fill(slice, call, size) }
        Abi.records(self.class.const_get(:EVENT, false), @buffer.read_bytes(size.get_uint64(0)))
      end

      # Receives events into a buffer that has room for them.
      def fill(slice, call, size)
        code = self.class.const_get(:RECEIVE, false).call(handle, @buffer, @buffer.size, slice, call, size)
        return code unless code == ROOM

        @buffer = FFI::MemoryPointer.new(size.get_uint64(0))
        fill(slice, call, size)
      end
    end
  end
  private_constant :Abi
end
