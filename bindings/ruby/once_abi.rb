# frozen_string_literal: true

# What the printed module stands on: the library, its errors, and how values cross.

require "ffi"

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
    TIMED_OUT, ROOM = -74_619, -551_132

    def check(handle, code) = code.zero? || raise(Error.new(handle, code))

    # Returns what the library gave, and releases it.
    def take(data)
      size = data.get_uint64(8)
      octets = size.zero? ? String.new : data.get_pointer(0).read_bytes(size)
      Lib.once_free(data)
      octets
    end

    # A number as it crosses; one that is too large stays out of all limits.
    def whole(value) = Integer(value.clamp(-2**63, 2**63 - 1))

    def millis(timeout) = timeout ? (timeout * 1000).clamp(0, 2**40).to_i : -1

    def moment(nanoseconds) = nanoseconds.zero? ? nil : Time.at(0, nanoseconds, :nsec)

    def utf8(octets) = octets.force_encoding(Encoding::UTF_8)

    def uuid(data, at) = data.byteslice(at, 16).unpack("H8H4H4H4H12").join("-")

    def number_of(names, name) = names.key(name&.to_sym) || raise(ArgumentError, "#{name} is none of #{names.values.join(", ")}")

    # The octets of a peer, or of its UUID.
    def id(peer)
      octets = [(peer.is_a?(String) ? peer : peer.uuid).delete("-")].pack("H*")
      octets.bytesize == 16 ? octets : raise(ArgumentError, "#{peer} is no UUID")
    end

    # Content as it crosses: one frame, or a list of them.
    def content(frames)
      frames = [frames] if frames.is_a?(String)
      sizes = frames.map(&:bytesize)
      [frames.map(&:b).join, sizes.pack("J*"), sizes.size]
    end

    def text(data, at, size) = [utf8(data.byteslice(at, size)), at + size]

    def entries(data, at, count)
      list = Array.new(count) do
        size = data.unpack1("N", offset: at)
        at += 4 + size
        data.byteslice(at - size, size)
      end
      [list, at]
    end

    def texts(data, at, count)
      list, at = entries(data, at, count)
      [list.each { |one| utf8(one) }, at]
    end

    def pairs(data, at, count)
      list, at = texts(data, at, 2 * count)
      [Hash[*list], at]
    end

    def numbers(data, at, count)
      list, at = entries(data, at, 2 * count)
      [list.each_slice(2).to_h { |key, octets| [utf8(key), octets.unpack1("Q>")] }, at]
    end

    def alone(read, data) = send(read, data, 4, data.unpack1("N")).first

    # The record that begins at a place, which others may refer to as well.
    def record(type, data, at, seen) = seen[at] ||= type.new(data, at, seen)

    # All records of a class.
    def records(type, data)
      found, seen, at = [], {}, 0
      while at < data.bytesize
        found << record(type, data, at, seen) if data.getbyte(at) == type::NUMBER
        at += 5 + data.unpack1("N", offset: at + 1)
      end
      found
    end

    # An object of the library. Closing it closes what belongs to it; twice is safe.
    class Handle
      attr_reader :handle

      def self.of(handle, parent = nil) = allocate.tap { |made| made.send(:own, handle, parent) }

      def self.closer(handle) = ->(_) { Lib.once_close(handle) }

      def close
        @closed = true
        Abi.check(handle, Lib.once_close(handle))
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
        @waiting = receive_batch(timeout) if @waiting.nil? || @waiting.empty?
        @waiting.shift
      end

      def receive_batch(timeout)
        waiting, @waiting = @waiting, nil
        return waiting if waiting && !waiting.empty?

        left = Abi.millis(timeout)
        loop do
          slice = left.negative? ? SLICE : [left, SLICE].min
          code, events = fill(slice)
          return events if code.zero?

          raise Error.new(handle, code) unless code == TIMED_OUT && left != slice

          left -= slice unless left.negative?
        end
      end

      def fill(timeout)
        @buffer ||= FFI::MemoryPointer.new(1 << 18)
        size = FFI::MemoryPointer.new(:size_t)
        code = self.class.const_get(:RECEIVE, false).call(handle, @buffer, @buffer.size, timeout, 0, size)
        return code, Abi.records(self.class.const_get(:EVENT, false), @buffer.read_bytes(size.get_uint64(0))) if code.zero?
        return code unless code == ROOM

        @buffer = FFI::MemoryPointer.new(size.get_uint64(0))
        fill(timeout)
      end
    end
  end
  private_constant :Abi
end
