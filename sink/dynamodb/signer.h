// Signs requests with AWS Signature Version 4 (AWS General Reference, "Signature Version 4 signing
// process").
//
// One thread. The signing key is derived once a day and kept; the buffers are reused. Errors: Error
// if OpenSSL refuses (it does not, short of memory).
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sink/dynamodb/credentials.h"

namespace tandem::sink {

class Signer {
 public:
  Signer(std::string region, std::string service);
  ~Signer();
  Signer(Signer&&) noexcept;

  /// Headers that are signed, names in lower case and in order.
  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;

  /// `20150830T123600Z`, the value of the header x-amz-date.
  static std::string format_date(std::time_t now);
  /// The value of the header Authorization for a request of path "/" without a query. `headers`
  /// must hold host and x-amz-date, the latter equal to `date`.
  const std::string& sign(const Credentials& credentials, std::string_view method,
                          const Headers& headers, std::string_view body, std::string_view date);

 private:
  class Digests;
  void derive_key(const Credentials& credentials, std::string_view day);

  std::string region_, service_;
  std::unique_ptr<Digests> digests_;
  std::string key_day_, key_secret_, key_;  // the derived key, and what it was derived from
  std::string canonical_, signed_names_, to_sign_, authorization_;
};

}  // namespace tandem::sink
