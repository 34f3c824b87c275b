# frozen_string_literal: true

# A chat: chat.rb NAME. What you type goes to everybody in the group "chat".

require "once"

def show(event)
  case event.type
  when :join then puts "* #{event.peer.name} is here"
  when :exit then puts "* #{event.peer.name} has left"
  when :shout then puts "#{event.peer.name}: #{event.msg[0].force_encoding("UTF-8")}"
  end
  $stdout.flush
end

# Shows all events that wait.
def show_all(node)
  loop { show(node.recv(timeout: 0)) }
rescue Once::Error => e
  raise unless e.name == :timed_out
end

node = Once::Node.new(ARGV[0], groups: ["chat"])
node.start
loop do
  ready, = IO.select([$stdin, node])
  show_all(node)
  next unless ready.include?($stdin)

  line = $stdin.gets or break
  node.shout("chat", line.chomp)
end
node.close
