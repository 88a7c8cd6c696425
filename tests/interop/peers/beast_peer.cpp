// Boost.Beast, driven by lines on stdin; ../children.py says which.
#include <utility> // which Boost 1.74 forgets where it uses std::exchange

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <unistd.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
namespace websocket = beast::websocket;
using asio::use_awaitable;
using asio::ip::tcp;
using Fields = std::map<std::string, std::string>;
template <typename Result = void> using Task = asio::awaitable<Result>;

constexpr size_t message_bytes = 16 << 20;

static std::string to_hex(const unsigned char *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    std::string out;
    for (size_t i = 0; i < size; i++)
        out += {digits[data[i] >> 4], digits[data[i] & 15]};
    return out;
}

static std::string to_hex(beast::string_view text)
{
    return to_hex(reinterpret_cast<const unsigned char *>(text.data()), text.size());
}

static std::string from_hex(const std::string &text)
{
    std::string out;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        out += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    return out;
}

static std::string unescaped(const std::string &text)
{
    std::string out;
    for (size_t i = 0; i < text.size(); i++) {
        if (text[i] == '%' && i + 2 < text.size()) {
            out += from_hex(text.substr(i + 1, 2));
            i += 2;
        } else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return out;
}

static std::string escaped(const std::string &text)
{
    std::string out;
    for (char c : text)
        out += isalnum(static_cast<unsigned char>(c)) ? std::string(1, c) : "%" + to_hex({&c, 1});
    return out;
}

static std::vector<std::string> split(const std::string &text, char separator)
{
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);)
        parts.push_back(part);
    return parts;
}

static Fields read_form(const std::string &line)
{
    Fields fields;
    for (const std::string &field : split(line, '&')) {
        size_t equals = field.find('=');
        fields[unescaped(field.substr(0, equals))] = unescaped(field.substr(equals + 1));
    }
    return fields;
}

static void tell(const std::string &event, const Fields &fields = {})
{
    std::string line = "event=" + event;
    for (const auto &[key, value] : fields)
        line += "&" + key + "=" + escaped(value);
    std::cout << line << std::endl;
}

static std::string sha256(const beast::flat_buffer &buffer)
{
    unsigned char digest[32];
    SHA256(static_cast<const unsigned char *>(buffer.data().data()), buffer.size(), digest);
    return to_hex(digest, sizeof digest);
}

static std::string text_of(beast::string_view view)
{
    return {view.data(), view.size()};
}

/* A connection, over whichever transport. Beast allows one read, one write, one
 * ping and one close at a time; commands wait for their own ends, and an echo is
 * written where no command sends. */
class Connection
{
  public:
    virtual ~Connection() = default;
    virtual Task<> attend(bool echo, Fields about) = 0;
    virtual Task<> send(bool binary, std::string message, Fields how) = 0;
    virtual Task<> ping(std::string payload) = 0;
    virtual Task<> pong(std::string payload) = 0;
    virtual Task<> close(websocket::close_reason reason) = 0;
    static inline std::shared_ptr<Connection> newest;
    static inline int count = 0;
};

static websocket::permessage_deflate deflate_of(const Fields &command)
{
    websocket::permessage_deflate deflate;
    auto how = command.find("deflate");
    if (how == command.end())
        return deflate;
    deflate.server_enable = deflate.client_enable = true;
    if (how->second == "fresh")
        deflate.server_no_context_takeover = deflate.client_no_context_takeover = true;
    if (how->second == "narrow")
        deflate.server_max_window_bits = deflate.client_max_window_bits = 10;
    return deflate;
}

template <typename Layer> class Socket final : public Connection
{
  public:
    websocket::stream<Layer> ws;
    int number = 0;
    bool leaving = false;

    template <typename... Arguments>
    explicit Socket(const Fields &command, Arguments &&...arguments)
        : ws(std::forward<Arguments>(arguments)...)
    {
        ws.set_option(deflate_of(command));
        ws.read_message_max(message_bytes);
        ws.auto_fragment(false);
        beast::get_lowest_layer(ws).socket().set_option(tcp::no_delay(true));
    }

    Task<> attend(bool echo, Fields about) override
    {
        number = ++count;
        about["conn"] = std::to_string(number);
        tell("open", about);
        ws.control_callback([this](websocket::frame_type type, beast::string_view payload) {
            if (type != websocket::frame_type::close)
                tell(type == websocket::frame_type::ping ? "ping" : "pong",
                     {{"conn", std::to_string(number)}, {"payload", to_hex(payload)}});
        });
        beast::flat_buffer buffer;
        boost::system::error_code error;
        while (!error) {
            co_await ws.async_read(buffer, asio::redirect_error(use_awaitable, error));
            if (error)
                break;
            tell("message", {{"conn", std::to_string(number)},
                             {"kind", ws.got_text() ? "text" : "binary"},
                             {"size", std::to_string(buffer.size())},
                             {"sha256", sha256(buffer)}});
            if (echo) {
                ws.text(ws.got_text());
                co_await ws.async_write(buffer.data(), asio::redirect_error(use_awaitable, error));
            }
            buffer.consume(buffer.size());
        }
        if (!leaving)
            tell_end(error);
    }

    /* The end of the stream instead of a close frame is nothing that it has to
     * complain about. */
    void tell_end(boost::system::error_code error)
    {
        int code = 1006;
        if (!error || error == websocket::error::closed)
            code = ws.reason().code == 0 ? 1005 : ws.reason().code;
        else if (error != asio::error::eof && error != ssl::error::stream_truncated)
            tell("problem", {{"conn", std::to_string(number)}, {"text", error.message()}});
        tell("close", {{"conn", std::to_string(number)},
                       {"code", std::to_string(code)},
                       {"reason", std::string(ws.reason().reason.data())}});
    }

    /* Fragments are cut by bytes, also within a character. */
    Task<> send(bool binary, std::string message, Fields how) override
    {
        ws.binary(binary);
        size_t from = 0;
        for (const std::string &size : split(how["fragments"], ',')) {
            size_t bytes = std::stoul(size);
            co_await ws.async_write_some(false, asio::buffer(message.data() + from, bytes),
                                         use_awaitable);
            from += bytes;
            if (how.contains("ping"))
                co_await ping(from_hex(how["ping"]));
        }
        co_await ws.async_write_some(
            true, asio::buffer(message.data() + from, message.size() - from), use_awaitable);
    }

    Task<> ping(std::string payload) override
    {
        co_await ws.async_ping(websocket::ping_data(payload), use_awaitable);
    }

    Task<> pong(std::string payload) override
    {
        co_await ws.async_pong(websocket::ping_data(payload), use_awaitable);
    }

    /* It waits for the peer's close frame by itself, and takes the reading away. */
    Task<> close(websocket::close_reason reason) override
    {
        boost::system::error_code error;
        leaving = true;
        co_await ws.async_close(reason, asio::redirect_error(use_awaitable, error));
        tell_end(error);
    }
};

using Plain = Socket<beast::tcp_stream>;
using Secure = Socket<beast::ssl_stream<beast::tcp_stream>>;

/* ------------------------------------------------------------------ a server */

template <typename Kind> static Task<> serve(std::shared_ptr<Kind> socket, Fields command)
{
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    co_await http::async_read(socket->ws.next_layer(), buffer, request, use_awaitable);
    if (request.target() == "/refuse") {
        http::response<http::empty_body> refusal(http::status::unauthorized, 11);
        refusal.keep_alive(false);
        refusal.prepare_payload();
        co_await http::async_write(socket->ws.next_layer(), refusal, use_awaitable);
        co_return;
    }
    Fields about = {{"header", text_of(request["X-Interop"])},
                    {"offered", text_of(request["Sec-WebSocket-Extensions"])}};
    std::string offered = "," + text_of(request["Sec-WebSocket-Protocol"]) + ",";
    std::erase(offered, ' ');
    if (offered.find("," + command["subprotocol"] + ",") != std::string::npos)
        about["subprotocol"] = command["subprotocol"];
    socket->ws.set_option(websocket::stream_base::decorator(
        [subprotocol = about["subprotocol"], &about](websocket::response_type &response) {
            if (!subprotocol.empty())
                response.set(http::field::sec_websocket_protocol, subprotocol);
            about["extensions"] = text_of(response["Sec-WebSocket-Extensions"]);
        }));
    co_await socket->ws.async_accept(request, use_awaitable);
    Connection::newest = socket;
    co_await socket->attend(request.target() == "/echo", about);
}

static Task<> welcome(tcp::socket peer, ssl::context *context, Fields command)
{
    try {
        if (context == nullptr) {
            auto socket = std::make_shared<Plain>(command, std::move(peer));
            co_await serve(socket, command);
            co_return;
        }
        auto socket = std::make_shared<Secure>(command, std::move(peer), *context);
        co_await socket->ws.next_layer().async_handshake(ssl::stream_base::server, use_awaitable);
        co_await serve(socket, command);
    } catch (const std::exception &error) {
        tell("problem", {{"text", error.what()}});
    }
}

static Task<> accept(tcp::acceptor acceptor, std::optional<ssl::context> context, Fields command)
{
    auto executor = co_await asio::this_coro::executor;
    for (;;) {
        tcp::socket peer = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(executor, welcome(std::move(peer), context ? &*context : nullptr, command),
                       asio::detached);
    }
}

static Task<> listen(Fields command)
{
    auto executor = co_await asio::this_coro::executor;
    auto port = static_cast<unsigned short>(std::stoi(command["port"]));
    tcp::acceptor acceptor(executor, {asio::ip::address_v4::loopback(), port});
    std::optional<ssl::context> context;
    if (command.contains("cert")) {
        context.emplace(ssl::context::tls_server);
        context->use_certificate_chain_file(command["cert"]);
        context->use_private_key_file(command["key"], ssl::context::pem);
    }
    tell("listening");
    asio::co_spawn(executor, accept(std::move(acceptor), std::move(context), command),
                   asio::detached);
}

/* ------------------------------------------------------------------ a client */

struct Url {
    bool secure;
    std::string host, port, target;
};

static Url parse(const std::string &text)
{
    size_t host = text.find("://") + 3;
    size_t colon = text.find(':', host);
    size_t slash = text.find('/', host);
    return {text.starts_with("wss"), text.substr(host, colon - host),
            text.substr(colon + 1, slash - colon - 1), text.substr(slash)};
}

template <typename Kind> static Task<> open(std::shared_ptr<Kind> socket, Url url, Fields command)
{
    auto executor = co_await asio::this_coro::executor;
    Fields about;
    socket->ws.set_option(
        websocket::stream_base::decorator([&command, &about](websocket::request_type &request) {
            if (command.contains("header"))
                request.set("X-Interop", command["header"]);
            if (command.contains("subprotocols"))
                request.set(http::field::sec_websocket_protocol, command["subprotocols"]);
            about["offered"] = text_of(request["Sec-WebSocket-Extensions"]);
        }));
    websocket::response_type response;
    boost::system::error_code error;
    co_await socket->ws.async_handshake(response, url.host + ":" + url.port, url.target,
                                        asio::redirect_error(use_awaitable, error));
    if (error == websocket::error::upgrade_declined) {
        tell("refused", {{"status", std::to_string(response.result_int())}});
        co_return;
    }
    if (error)
        throw boost::system::system_error(error);
    about["subprotocol"] = text_of(response["Sec-WebSocket-Protocol"]);
    about["extensions"] = text_of(response["Sec-WebSocket-Extensions"]);
    Connection::newest = socket;
    asio::co_spawn(
        executor, [socket, about] { return socket->attend(false, about); }, asio::detached);
}

static Task<> connect(Fields command)
{
    auto executor = co_await asio::this_coro::executor;
    Url url = parse(command["url"]);
    tcp::resolver resolver(executor);
    auto addresses = co_await resolver.async_resolve(url.host, url.port, use_awaitable);
    tcp::socket tcp(executor);
    co_await asio::async_connect(tcp, addresses, use_awaitable);
    if (!url.secure) {
        co_await open(std::make_shared<Plain>(command, std::move(tcp)), url, command);
        co_return;
    }
    ssl::context context(ssl::context::tls_client);
    context.load_verify_file(command["ca"]);
    context.set_verify_mode(ssl::verify_peer);
    auto socket = std::make_shared<Secure>(command, std::move(tcp), context);
    socket->ws.next_layer().set_verify_callback(ssl::host_name_verification(url.host));
    co_await socket->ws.next_layer().async_handshake(ssl::stream_base::client, use_awaitable);
    co_await open(socket, url, command);
}

/* ------------------------------------------------------------------ commands */

static std::string content_of(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

static Task<> obey(Fields command)
{
    auto executor = co_await asio::this_coro::executor;
    const std::string &what = command["do"];
    std::shared_ptr<Connection> newest = Connection::newest;
    if (what == "listen") {
        co_await listen(command);
    } else if (what == "connect") {
        co_await connect(command);
    } else if (what == "send") {
        co_await newest->send(command["kind"] == "binary", content_of(command["file"]), command);
    } else if (what == "ping") {
        co_await newest->ping(from_hex(command["payload"]));
    } else if (what == "pong") {
        co_await newest->pong(from_hex(command["payload"]));
    } else if (what == "close") {
        websocket::close_reason reason;
        if (command.contains("code")) {
            reason.code = static_cast<websocket::close_code>(std::stoi(command["code"]));
            reason.reason = command["reason"];
        }
        co_await newest->close(reason);
    }
}

static Task<> follow_commands()
{
    auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor input(executor, dup(STDIN_FILENO));
    std::string read;
    tell("ready");
    for (;;) {
        boost::system::error_code ended;
        size_t size = co_await asio::async_read_until(input, asio::dynamic_buffer(read), '\n',
                                                      asio::redirect_error(use_awaitable, ended));
        if (ended)
            break;
        Fields command = read_form(read.substr(0, size - 1));
        read.erase(0, size);
        try {
            co_await obey(command);
        } catch (const std::exception &error) {
            tell("problem", {{"text", error.what()}});
        }
    }
    std::exit(0);
}

int main()
{
    asio::io_context context(1);
    asio::co_spawn(context, follow_commands(), asio::detached);
    context.run();
}
