#include "sink/dynamodb/http_client.h"

#include <curl/curl.h>

#include <mutex>

#include "state/error.h"

namespace tandem::sink {
namespace {

using Easy = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;
using Multi = std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)>;
using HeaderList = std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)>;

void initialize_libcurl() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

void check(CURLMcode code) {
  if (code == CURLM_OK) return;
  throw state::Error(curl_multi_strerror(code), "libcurl", "try again; report it if it stays");
}

/// One connection's worth of request: an easy handle and what it needs while it runs.
struct Lane {
  Lane() : easy(curl_easy_init(), curl_easy_cleanup), headers(nullptr, curl_slist_free_all) {}
  Easy easy;
  HeaderList headers;
  HttpExchange* exchange = nullptr;
  std::size_t largest_answer = 0;
  const std::function<void()>* may_send = nullptr;
  std::exception_ptr* refusal = nullptr;
  char error[CURL_ERROR_SIZE] = {};
};

std::size_t take_answer(char* data, std::size_t size, std::size_t count, void* user) {
  auto* lane = static_cast<Lane*>(user);
  const std::size_t bytes = size * count;
  if (lane->exchange->answer.size() + bytes > lane->largest_answer) return 0;
  lane->exchange->answer.append(data, bytes);
  return bytes;
}

// libcurl calls it between the connection and the request. No exception may pass through libcurl.
int ask_before_request(void* user, char*, char*, int, int) {
  auto* lane = static_cast<Lane*>(user);
  try {
    (*lane->may_send)();
    return CURL_PREREQFUNC_OK;
  } catch (...) {
    *lane->refusal = std::current_exception();
    return CURL_PREREQFUNC_ABORT;
  }
}

}  // namespace

class HttpClient::Impl {
 public:
  explicit Impl(HttpOptions options)
      : options_(std::move(options)), multi_(nullptr, curl_multi_cleanup) {
    initialize_libcurl();
    multi_.reset(curl_multi_init());
    if (!multi_) throw state::Error("libcurl could not start", "http", "check the free memory");
    const long connections = static_cast<long>(options_.connections);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAXCONNECTS, connections);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
  }

  ~Impl() {
    for (auto& lane : lanes_) {
      if (lane->exchange != nullptr) curl_multi_remove_handle(multi_.get(), lane->easy.get());
    }
    lanes_.clear();  // before multi_
  }

  std::size_t room() const { return options_.connections - in_flight_; }
  std::size_t in_flight() const { return in_flight_; }
  std::exception_ptr refusal() const { return refusal_; }
  void wake() { curl_multi_wakeup(multi_.get()); }

  void start(HttpExchange& exchange) {
    Lane& lane = free_lane();
    exchange.status = 0;
    exchange.answer.clear();
    exchange.failure.clear();
    exchange.refused = false;
    lane.exchange = &exchange;
    lane.error[0] = 0;
    lane.headers.reset();
    for (const std::string& header : exchange.headers) append_header(lane, header.c_str());
    CURL* easy = lane.easy.get();
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lane.headers.get());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, exchange.body.data());
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(exchange.body.size()));
    in_flight_++;
    check(curl_multi_add_handle(multi_.get(), easy));
  }

  void run(std::chrono::milliseconds wait, std::vector<HttpExchange*>& finished) {
    const std::size_t before = finished.size();
    perform(finished);
    if (finished.size() != before || wait.count() <= 0) return;
    check(curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(wait.count()), nullptr));
    perform(finished);
  }

 private:
  static void append_header(Lane& lane, const char* header) {
    curl_slist* longer = curl_slist_append(lane.headers.get(), header);
    if (longer == nullptr) throw std::bad_alloc();
    if (!lane.headers) lane.headers.reset(longer);
  }

  Lane& free_lane() {
    if (free_.empty()) {
      lanes_.push_back(std::make_unique<Lane>());
      prepare(*lanes_.back());
      free_.push_back(lanes_.back().get());
    }
    Lane* lane = free_.back();
    free_.pop_back();
    return *lane;
  }

  void prepare(Lane& lane) {
    CURL* easy = lane.easy.get();
    if (easy == nullptr) throw std::bad_alloc();
    lane.largest_answer = options_.largest_answer;
    curl_easy_setopt(easy, CURLOPT_URL, options_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    // A stop must not wait for a name server that does not answer.
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(options_.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options_.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, lane.error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &lane);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, &lane);
    if (options_.may_send) {
      lane.may_send = &options_.may_send;
      lane.refusal = &refusal_;
      curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, ask_before_request);
      curl_easy_setopt(easy, CURLOPT_PREREQDATA, &lane);
    }
    if (!options_.use_proxy) curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
  }

  void perform(std::vector<HttpExchange*>& finished) {
    int running = 0;
    check(curl_multi_perform(multi_.get(), &running));
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg == CURLMSG_DONE) finish(*message, finished);
    }
  }

  void finish(const CURLMsg& message, std::vector<HttpExchange*>& finished) {
    CURL* easy = message.easy_handle;
    const CURLcode code = message.data.result;
    Lane* lane = nullptr;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &lane);
    HttpExchange& exchange = *lane->exchange;
    if (code == CURLE_OK) {
      long status = 0;
      curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
      exchange.status = static_cast<int>(status);
    } else {
      exchange.answer.clear();
      exchange.failure = lane->error[0] != 0 ? lane->error : curl_easy_strerror(code);
      exchange.refused = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                         code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_ABORTED_BY_CALLBACK;
    }
    curl_multi_remove_handle(multi_.get(), easy);
    lane->exchange = nullptr;
    free_.push_back(lane);
    in_flight_--;
    finished.push_back(&exchange);
  }

  HttpOptions options_;
  Multi multi_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<Lane*> free_;
  std::size_t in_flight_ = 0;
  std::exception_ptr refusal_;
};

HttpClient::HttpClient(HttpOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
HttpClient::~HttpClient() = default;
std::size_t HttpClient::room() const { return impl_->room(); }
std::size_t HttpClient::in_flight() const { return impl_->in_flight(); }
std::exception_ptr HttpClient::refusal() const { return impl_->refusal(); }
void HttpClient::start(HttpExchange& exchange) { impl_->start(exchange); }
void HttpClient::run(std::chrono::milliseconds wait, std::vector<HttpExchange*>& finished) {
  impl_->run(wait, finished);
}
void HttpClient::wake() { impl_->wake(); }

}  // namespace tandem::sink
