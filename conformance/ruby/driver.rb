# frozen_string_literal: true

# The driver for Ruby: driver.rb FILE SCENARIO ROLE PORT DIRECTORY.

require "once"

# What the lines of a scenario have it do.
class Driver
  NOBODY = "00000000-0000-0000-0000-000000000007"

  def initialize(port, directory)
    @port, @directory, @peers = port, directory, {}
  end

  def run(words, timeout: 10)
    verb, first, *rest = words
    case verb
    when "node" then @node = make(first, settings(rest))
    when "start", "stop", "close" then @node.public_send(verb)
    when "flush" then @node.flush(timeout: timeout)
    when "recv" then loop { @node.recv(timeout: timeout) }
    when "join" then @node.join(first.include?(":") ? frame(first) : first)
    when "leave" then @node.leave(first)
    when "sethead" then @node.set_header(first, rest[0])
    when "whisper" then @node.whisper(peer(first), frames(rest), timeout: timeout)
    when "nothing" then nothing(first)
    when "ping" then must(@node.ping(peer(first), timeout: timeout).positive?, "it took no time")
    when "methods" then methods_are_there
    when "wrong" then wrong(first)
    when "ask" then @answered = @node.ask(peer(first), frames(rest), timeout: timeout)
    when "answer" then must(@answered.status == first.to_i && @answered.msg == frames(rest), "the answer is another")
    when "reply" then @node.reply(@last.question, first.to_i, frames(rest), timeout: timeout)
    when "shout" then @node.shout(first, frames(rest), timeout: timeout)
    when "second" then make(first, identity: Once::Identity.new(File.join(@directory, first))).start
    when "expect" then expect(first, *rest)
    when "peers" then must(@node.peers.size == first.to_i, @node.peers)
    when "own" then must(@node.own_groups.size == first.to_i, @node.own_groups)
    when "header" then must(@peers[first].header(rest[0]) == (rest[1] || ""), @peers[first].headers)
    when "protection" then must(@last.protection == first.to_sym, @last.protection)
    when "text" then must(@node.public_send(first) == rest[0], "it is another")
    when "error" then fails(first, rest, timeout)
    when "timeout" then fails("timed-out", [first, *rest], 0.1)
    when "message" then must(@said.include?(first), @said)
    when "twice" then twice
    when "logged" then nil # there are no handlers
    when "die" then Process.kill(:KILL, Process.pid)
    when "kill", "stall", "awaitstall" then tell(verb)
    else raise "there is no such verb"
    end
  end

  private

  def must(true_, what) = true_ || raise(what.to_s)

  def frame(word)
    kind, value = word.split(":", 2)
    case kind
    when "fill" then ((0..255).map { |i| i * 7 % 256 }.pack("C*") * (value.to_i / 256 + 1)).byteslice(0, value.to_i)
    when "long" then "x" * value.to_i
    when "hex" then [value].pack("H*")
    else value.b
    end
  end

  def frames(words) = words.map { |word| frame(word) }

  def make(name, more)
    Once::Node.new(name, interfaces: "127.0.0.1", beacon_port: @port, interval: 0.1, linger: 0.5, **more)
  end

  def settings(words)
    words.each_with_object({}) do |word, more|
      key, value = word.split("=", 2)
      case key
      when "security" then more[:security] = value
      when "identity" then more[:identity] = Once::Identity.new(File.join(@directory, value))
      when "header" then more[:headers] = [value.split("=", 2)].to_h
      end
    end
  end

  def peer(name)
    return @node.uuid if name == "self"

    name == "nobody" ? NOBODY : @peers.fetch(name)
  end

  def expect(type, name, *rest)
    loop do
      event = @node.recv(timeout: 30)
      @peers[event.peer.name] = event.peer
      next unless event.type == type.to_sym && event.peer.name == name

      @last = event
      unless rest.empty? || rest[0].include?(":")
        told = type == "exit" ? event.reason : event.group
        must(told == rest.shift, told)
      end
      return must(event.msg == frames(rest), "the content is not what was sent")
    end
  end

  def fails(name, words, timeout)
    run(words, timeout: timeout)
  rescue Once::Error => e
    must(e.name == name.tr("-", "_").to_sym, e)
    @said = e.message
  rescue ArgumentError => e
    must(name == "argument", e)
    @said = e.message
  else
    raise "it did not fail"
  end

  def nothing(where)
    content = { "content" => nil, "frame" => [nil] }.fetch(where, "x")
    @node.whisper(where == "peer" ? nil : NOBODY, content)
  rescue TypeError
    nil
  else
    raise "it did not fail"
  end

  def methods_are_there
    network = Once::Network.new(File.join(@directory, "network"))
    network.invite("ben", "", "00000000-0000-0000-0000-000000000000", 1)
    files = Once::Files.new(@node)
    objects = [@node, @node.snapshot, @last, @last.peer, Once::Node.interfaces[0], network, network.members[0]]
    objects += [Once::Identity.new, files, files.offer(@last.peer), Once::Server.new]
    of = objects.to_h { |one| [one.class.name, one] }
    File.foreach(File.join(File.dirname(ARGV[0]), "methods.txt"), chomp: true) do |line|
      owner, name, kind = line.split
      next if owner == "#" || kind == "handler"

      one = of.fetch("Once::#{owner.delete_prefix("once_").capitalize}")
      must((kind == "singleton" ? one.class.singleton_class : one.class).method_defined?(name, false), "there is no #{line}")
      one.public_send(name) if kind == "get"
    rescue Once::Error
      nil
    end
  end

  def wrong(argument)
    kind, call = {
      "security" => [ArgumentError, -> { @node.set_security(:none) }],
      "port" => [ArgumentError, -> { @node.set_port(2**70) }],
      "status" => [ArgumentError, -> { @node.reply(1, 2**32, "x") }],
      "interval" => [ArgumentError, -> { @node.set_interval(-0.001) }],
      "timeout" => [ArgumentError, -> { @node.flush(timeout: -0.001) }],
      "groups" => [TypeError, -> { make("ben", groups: "room") }],
      "headers" => [TypeError, -> { make("ben", headers: "city") }],
      "group" => [TypeError, -> { @node.join(5) }],
      "contest" => [ArgumentError, -> { @node.set_contest_in_group("\xff") }],
      "peer" => [ArgumentError, -> { @node.whisper("x" * 32, "x") }],
      "shared" => [TypeError, -> { @node.set_shared("no") }],
      "identity" => [TypeError, -> { @node.set_identity(@node) }],
      "content" => [TypeError, -> { @node.whisper(NOBODY, [5]) }],
    }.fetch(argument)
    call.call
  rescue kind => e
    @said = e.message
  else
    raise "it did not fail"
  end

  # Two threads receive: one is told busy, and the other that the wait is over.
  def twice
    ends = Array.new(2) { Thread.new { loop { @node.recv_batch(timeout: 1) } rescue $!.name } }.map(&:value)
    must(ends.sort == %i[busy timed_out], ends)
  end

  def tell(word)
    puts word
    $stdout.flush
    $stdin.gets
  end
end

file, scenario, role, port, directory = ARGV
driver, now = Driver.new(port.to_i, directory), nil
File.foreach(file, chomp: true) do |line|
  words = line.split(" ", -1)
  if words[0] == "scenario"
    now = words[1]
  elsif now == scenario && words[0] == role
    begin
      driver.run(words.drop(1))
    rescue StandardError => e
      abort "#{scenario}: #{line}: #{e.full_message(highlight: false)}"
    end
  end
end
puts "done"
