# frozen_string_literal: true

# What becomes of a Ruby program that is careless with its nodes.

require "once"
require "timeout"

def node(name) = Once::Node.new(name, interfaces: "127.0.0.1", beacon_port: 25_672).tap(&:start)

def test(what)
  raise "#{what}: failed" unless yield

  puts "#{what}: ok"
end

ana, ben = node("ana"), node("ben")
test("what a block raises of another node that has stopped is not swallowed") do
  other = node("other").tap(&:stop)
  ana.each { other.join("room") }
  false
rescue Once::Error => e
  e.name == :stopped
end
test("a StopIteration of a block is not swallowed") do
  ben.each { raise StopIteration }
  false
rescue StopIteration
  true
end
test("each without a block is an enumerator") { ana.each.is_a?(Enumerator) }
test("threads that receive at a time lose and double nothing") do
  cid, dan = node("cid"), node("dan")
  sleep 0.01 until cid.peers.any? { |peer| peer.uuid == dan.uuid }
  got, over = [], false
  threads = 2.times.map do
    Thread.new do
      until over
        begin
          got.concat(dan.recv_batch(timeout: 0.05).select { |event| event.type == :whisper }.map { |event| event.msg[0] })
        rescue Once::Error => e
          raise unless %i[busy timed_out].include?(e.name)
        end
      end
    end
  end
  whispers = 20_000.times.map(&:to_s)
  whispers.each { |whisper| cid.whisper(dan.uuid, whisper) }
  cid.whisper(dan.uuid, "over")
  Timeout.timeout(30) { sleep 0.01 until got.include?("over") }
  over = true
  threads.each(&:join)
  [cid, dan].each(&:close)
  got.sort == [*whispers, "over"].sort
end
test("events end when another thread closes") do
  waiting = Thread.new { ana.each { nil } }
  sleep 0.3
  ana.close
  waiting.join(5)
end
test("events end when their own block closes") { ben.each { ben.close }.nil? }
