# frozen_string_literal: true

# What Ctrl-C does in a Ruby program that waits in the library.

require "once"

def node(name) = Once::Node.new(name, interfaces: "127.0.0.1", beacon_port: 25_673, linger: 30).tap(&:start)

ana, ben = node("ana"), node("ben")
peer = ana.find { |event| event.type == :enter }.peer
files = Once::Files.new(ana)
transfer = files.offer(peer)
transfer.add("/etc/hostname")
begin
  loop { ana.whisper(peer, "x" * 2**20, timeout: 0.5) }
rescue Once::Error => e
  raise unless e.name == :timed_out # ben has no room: it takes nothing
end

failed = 0
{
  "ask" => -> { ana.ask(peer, "x") },
  "whisper" => -> { ana.whisper(peer, "x" * 2**20) },
  "flush" => -> { ana.flush },
  "ping" => -> { ana.ping(peer) },
  "each" => -> { ana.each { nil } },
  "recv_batch" => -> { loop { ana.recv_batch } },
  "next_offer" => -> { files.next_offer },
  "send" => -> { transfer.send },
  "stop" => -> { ana.stop },
  "close" => -> { ana.close },
}.each do |what, call|
  now = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC) }
  begin
    began = now.call
    Thread.new { sleep(0.3) && Process.kill(:INT, Process.pid) }
    call.call
    said = "ended by itself"
  rescue Interrupt
    said = now.call - began < 3 ? "ok" : "late"
  end
  puts "Ctrl-C ends #{what}: #{said}"
  failed += 1 unless said == "ok"
end
$stdout.flush
Process.exit!(failed.zero?)
