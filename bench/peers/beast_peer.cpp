// Boost.Beast, with callbacks on one thread; ../servers.py says how it is called. Its
// heartbeat is that of its idle timeout, which pings at half of it.
#include <utility> // which Boost 1.74 forgets where it uses std::exchange

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <sys/resource.h>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using boost::system::error_code;

static bool to_all, beats;
static std::chrono::milliseconds interval;

struct Member {
    virtual ~Member() = default;
    virtual void say(std::shared_ptr<const std::string> message, bool binary) = 0;
};
static std::set<Member *> everyone;

template <typename Layer>
class Session final : public Member, public std::enable_shared_from_this<Session<Layer>>
{
  public:
    template <typename... Arguments>
    explicit Session(Arguments &&...arguments) : ws(std::forward<Arguments>(arguments)...)
    {
        beast::get_lowest_layer(ws).set_option(tcp::no_delay(true));
        ws.auto_fragment(false);
        websocket::stream_base::timeout timeout{websocket::stream_base::none(),
                                                websocket::stream_base::none(), false};
        if (beats)
            timeout = {std::chrono::seconds(30), 2 * interval, true};
        ws.set_option(timeout);
    }

    ~Session() override { everyone.erase(this); }

    void run()
    {
        if constexpr (std::is_same_v<Layer, tcp::socket>)
            accept();
        else
            ws.next_layer().async_handshake(ssl::stream_base::server,
                                            [self = this->shared_from_this()](error_code error) {
                                                if (!error)
                                                    self->accept();
                                            });
    }

    void say(std::shared_ptr<const std::string> message, bool binary) override
    {
        queue.push_back({std::move(message), binary});
        if (queue.size() == 1)
            write_queue();
    }

  private:
    websocket::stream<Layer> ws;
    beast::flat_buffer buffer;
    std::deque<std::pair<std::shared_ptr<const std::string>, bool>> queue; // of what all hear

    void accept()
    {
        ws.async_accept([self = this->shared_from_this()](error_code error) {
            if (error)
                return;
            if (to_all)
                everyone.insert(self.get());
            self->read();
        });
    }

    void read()
    {
        ws.async_read(buffer, [self = this->shared_from_this()](error_code error, size_t) {
            if (!error)
                self->take();
        });
    }

    void take()
    {
        if (to_all) {
            auto message =
                std::make_shared<const std::string>(beast::buffers_to_string(buffer.data()));
            buffer.consume(buffer.size());
            for (Member *member : everyone)
                member->say(message, ws.got_binary());
            read();
            return;
        }
        ws.binary(ws.got_binary());
        ws.async_write(buffer.data(),
                       [self = this->shared_from_this()](error_code error, size_t size) {
                           self->buffer.consume(size);
                           if (!error)
                               self->read();
                       });
    }

    void write_queue()
    {
        ws.binary(queue.front().second);
        ws.async_write(asio::buffer(*queue.front().first),
                       [self = this->shared_from_this()](error_code error, size_t) {
                           self->queue.pop_front();
                           if (!error && !self->queue.empty())
                               self->write_queue();
                       });
    }
};

static void accept(tcp::acceptor &acceptor, std::optional<ssl::context> &context)
{
    acceptor.async_accept([&acceptor, &context](error_code error, tcp::socket peer) {
        if (!error && context)
            std::make_shared<Session<ssl::stream<tcp::socket>>>(std::move(peer), *context)->run();
        else if (!error)
            std::make_shared<Session<tcp::socket>>(std::move(peer))->run();
        accept(acceptor, context);
    });
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    to_all = strcmp(argv[2], "all") == 0;
    beats = strcmp(argv[2], "beat") == 0;
    interval = std::chrono::milliseconds(atoi(argv[3]));
    rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    asio::io_context io(1);
    std::optional<ssl::context> context;
    if (argc > 5) {
        context.emplace(ssl::context::tls_server);
        context->use_certificate_chain_file(argv[4]);
        context->use_private_key_file(argv[5], ssl::context::pem);
    }
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(),
                                static_cast<unsigned short>(atoi(argv[1]))});
    accept(acceptor, context);
    io.run();
}
