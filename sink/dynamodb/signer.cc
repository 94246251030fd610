#include "sink/dynamodb/signer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

#include "state/error.h"

namespace tandem::sink {
namespace {

constexpr std::size_t kDayLength = 8;  // of 20150830T123600Z
constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

void append_hex(std::string_view bytes, std::string& out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (char letter : bytes) {
    auto byte = static_cast<unsigned char>(letter);
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 15U]);
  }
}

[[noreturn]] void refuse() {
  throw state::Error("OpenSSL could not compute a SHA-256 digest", "request signing",
                     "check the installation of OpenSSL");
}

}  // namespace

/// SHA-256 fetched once: the lookup of the algorithm costs more than hashing a small text.
class Signer::Digests {
 public:
  Digests()
      : sha256_(EVP_MD_fetch(nullptr, "SHA256", nullptr), EVP_MD_free),
        context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!sha256_ || !context_) refuse();
  }

  std::string_view digest(std::string_view text) {
    unsigned length = 0;
    if (EVP_DigestInit_ex2(context_.get(), sha256_.get(), nullptr) != 1 ||
        EVP_DigestUpdate(context_.get(), text.data(), text.size()) != 1 ||
        EVP_DigestFinal_ex(context_.get(), bytes_.data(), &length) != 1) {
      refuse();
    }
    return view(length);
  }

  std::string_view authenticate(std::string_view key, std::string_view text) {
    unsigned length = 0;
    if (HMAC(sha256_.get(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), bytes_.data(),
             &length) == nullptr) {
      refuse();
    }
    return view(length);
  }

 private:
  std::string_view view(unsigned length) const {
    return {reinterpret_cast<const char*>(bytes_.data()), length};
  }

  std::unique_ptr<EVP_MD, decltype(&EVP_MD_free)> sha256_;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes_{};
};

Signer::Signer(std::string region, std::string service)
    : region_(std::move(region)),
      service_(std::move(service)),
      digests_(std::make_unique<Digests>()) {}

Signer::~Signer() = default;
Signer::Signer(Signer&&) noexcept = default;

std::string Signer::format_date(std::time_t now) {
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::size_t length = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
  return {text.data(), length};
}

void Signer::derive_key(const Credentials& credentials, std::string_view day) {
  if (key_day_ == day && key_secret_ == credentials.secret_key) return;
  key_day_ = day;
  key_secret_ = credentials.secret_key;
  key_ = "AWS4" + key_secret_;
  for (std::string_view part : {day, std::string_view(region_), std::string_view(service_),
                                std::string_view("aws4_request")}) {
    key_ = std::string(digests_->authenticate(key_, part));
  }
}

const std::string& Signer::sign(const Credentials& credentials, std::string_view method,
                                const Headers& headers, std::string_view body,
                                std::string_view date) {
  const std::string_view day = date.substr(0, kDayLength);
  derive_key(credentials, day);

  signed_names_.clear();
  canonical_.assign(method);
  canonical_ += "\n/\n\n";
  for (const auto& [name, value] : headers) {
    canonical_ += name;
    canonical_ += ':';
    canonical_ += value;
    canonical_ += '\n';
    if (!signed_names_.empty()) signed_names_ += ';';
    signed_names_ += name;
  }
  canonical_ += '\n';
  canonical_ += signed_names_;
  canonical_ += '\n';
  append_hex(digests_->digest(body), canonical_);

  auto append_scope = [&](std::string& out) {
    out += day;
    out += '/';
    out += region_;
    out += '/';
    out += service_;
    out += "/aws4_request";
  };
  to_sign_.assign(kAlgorithm);
  to_sign_ += '\n';
  to_sign_ += date;
  to_sign_ += '\n';
  append_scope(to_sign_);
  to_sign_ += '\n';
  append_hex(digests_->digest(canonical_), to_sign_);

  authorization_.assign(kAlgorithm);
  authorization_ += " Credential=";
  authorization_ += credentials.access_key;
  authorization_ += '/';
  append_scope(authorization_);
  authorization_ += ", SignedHeaders=";
  authorization_ += signed_names_;
  authorization_ += ", Signature=";
  append_hex(digests_->authenticate(key_, to_sign_), authorization_);
  return authorization_;
}

}  // namespace tandem::sink
