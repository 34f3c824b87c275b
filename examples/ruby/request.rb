# frozen_string_literal: true

# Requests and replies: "request.rb serve NAME" answers, "request.rb ask NAME TEXT" asks
# whoever serves. A request is a number and a text; its reply has the same number.

require "once"

def serve(name)
  node = Once::Node.new(name, headers: { "service" => "upper" })
  node.start
  node.each do |event|
    node.whisper(event.peer, [event.msg[0], event.msg[1].upcase]) if event.type == :whisper && event.msg.size == 2
  end
end

def ask(name, text)
  node = Once::Node.new(name)
  node.start
  node.each do |event|
    if event.type == :enter && event.peer.header("service") == "upper"
      node.whisper(event.peer, ["1", text])
    elsif event.type == :whisper && event.msg[0] == "1"
      break puts(event.msg[1])
    end
  end
  node.close
end

case ARGV
in ["serve", name] then serve(name)
in ["ask", name, text] then ask(name, text)
else abort "request.rb serve NAME, or request.rb ask NAME TEXT"
end
