// A transaction of the server's that ends with the scope: rolled back unless it was committed.
#pragma once

#include <string>

#include "capture/postgres/connection.h"

namespace tandem::capture::postgres {

class Transaction {
 public:
  /// `modes` as BEGIN takes them, "ISOLATION LEVEL REPEATABLE READ".
  explicit Transaction(Connection& connection, const std::string& modes = "")
      : connection_(connection) {
    connection_.execute("BEGIN " + modes);
  }
  ~Transaction() {
    if (ended_) return;
    try {
      connection_.execute("ROLLBACK");
    } catch (const state::Error&) {
      // The connection is gone, and the transaction with it.
    }
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit() {
    connection_.execute("COMMIT");
    ended_ = true;
  }

 private:
  Connection& connection_;
  bool ended_ = false;
};

}  // namespace tandem::capture::postgres
