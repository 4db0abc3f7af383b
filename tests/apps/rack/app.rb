# An ordinary Rack app with Rack::Session::Redis. It has never heard of the gateway.
require "json"
require "rack"
require "rack/handler/webrick"
require "rack/session/redis"

USERS = { "alice" => 42, "bob" => "9f1c2b34-0000-4000-8000-00000000b0b0" }.freeze

shop = lambda do |env|
  request = Rack::Request.new(env)
  session = request.session
  case [request.request_method, request.path]
  in ["GET", "/home"]
    [200, { "Content-Type" => "application/json" }, [{ user: session["user_id"]&.to_s }.to_json]]
  in ["GET", "/visit"]
    session["cart"] = [{ article: "coat", price: 99.5, at: Time.now.to_i }]
    [200, {}, []]
  in ["GET", "/login"]
    [200, {}, ['<form method="post"><input name="username"><input name="password"><button>Log in</button></form>']]
  in ["POST", "/login"]
    name = request.params["username"]
    next [401, {}, ["no"]] unless request.params["password"] == "#{name}'s password"

    request.session_options[:renew] = true
    session["user_id"] = USERS.fetch(name)
    [302, { "Location" => "/home" }, []]
  in ["POST", "/logout"]
    session.destroy
    [302, { "Location" => "/home" }, []]
  else
    [404, {}, []]
  end
end

app = Rack::Session::Redis.new(shop, redis_server: "#{ENV.fetch('REDIS_URL')}/rack:session")
quiet = { Logger: WEBrick::Log.new($stderr, WEBrick::Log::WARN), AccessLog: [] }
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, **quiet)
server.mount("/", Rack::Handler::WEBrick, app)
$stdout.puts "listening #{server.listeners.first.addr[1]}"
$stdout.flush
server.start
