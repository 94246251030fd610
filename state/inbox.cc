#include "state/inbox.h"

#include <chrono>
#include <utility>

#include "state/error.h"
#include "state/failpoint.h"

namespace tandem::state {
namespace {

constexpr std::int64_t kApplicationId = 0x54644962;  // "TdIb"

// The order of RequestKind. Names, so that the file explains itself to whoever opens it.
constexpr const char* kKinds[] = {"mark", "retry", "drop", "snapshot", "replay", "repair"};

RequestKind kind_named(const std::string& name, const std::string& path) {
  for (std::size_t i = 0; i < std::size(kKinds); ++i) {
    if (name == kKinds[i]) return static_cast<RequestKind>(i);
  }
  throw Error("an unknown request `" + name + "` waits in the inbox", path,
              "a newer tandem wrote it; run that version, or remove the file to drop the request");
}

}  // namespace

Inbox::Inbox(const std::string& path) : database_(path, OpenMode::kReadWriteCreate) {
  // A rollback journal: the file is tiny, and the change to WAL would need it for itself alone.
  database_.execute("PRAGMA synchronous=FULL");
  {
    Transaction transaction(database_);
    std::int64_t id = database_.query_value("PRAGMA application_id").as_integer();
    bool empty = database_.query_value("SELECT count(*) FROM sqlite_master").as_integer() == 0;
    if (id == 0 && empty) {
      // AUTOINCREMENT: a number is not given twice, so remove() never hits a later request.
      database_.execute(
          "CREATE TABLE requests(id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,"
          " document TEXT NOT NULL, root BLOB NOT NULL, text TEXT NOT NULL,"
          " item_key BLOB NOT NULL,"
          " \"offset\" INTEGER NOT NULL, created_ms INTEGER NOT NULL)");
      database_.execute("PRAGMA application_id=" + std::to_string(kApplicationId));
    } else if (id != kApplicationId) {
      throw Error("this file is not an inbox of tandem", path,
                  "check the path of the state directory");
    }
    transaction.commit();
  }
  version_ = database_.prepare("PRAGMA data_version");
}

std::int64_t Inbox::put(const Request& request) {
  std::int64_t now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  Statement insert = database_.prepare(
      "INSERT INTO requests(kind, document, root, text, item_key, \"offset\", created_ms)"
      " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
  insert.bind(1, std::string_view(kKinds[static_cast<std::size_t>(request.kind)]));
  insert.bind(2, std::string_view(request.document)).bind_blob(3, request.root);
  insert.bind(4, std::string_view(request.text)).bind_blob(5, request.key);
  insert.bind(6, request.offset).bind(7, now);
  TANDEM_FAILPOINT("inbox.put.before");
  insert.run();
  TANDEM_FAILPOINT("inbox.put.after");
  put_here_ = true;
  return database_.last_insert_rowid();
}

bool Inbox::changed() {
  version_.step();
  std::int64_t version = version_.integer(0);
  version_.reset();
  bool put_here = std::exchange(put_here_, false);
  return std::exchange(seen_version_, version) != version || put_here;
}

std::vector<Request> Inbox::waiting() {
  Statement select = database_.prepare(
      "SELECT id, kind, document, root, text, item_key, \"offset\", created_ms FROM requests ORDER "
      "BY id");
  std::vector<Request> requests;
  while (select.step()) {
    Request request;
    request.id = select.integer(0);
    request.kind = kind_named(select.text(1), database_.path());
    request.document = select.text(2);
    request.root = select.text(3);
    request.text = select.text(4);
    request.key = select.text(5);
    request.offset = select.integer(6);
    request.created_ms = select.integer(7);
    requests.push_back(std::move(request));
  }
  return requests;
}

void Inbox::remove(std::int64_t id) {
  TANDEM_FAILPOINT("inbox.remove.before");
  database_.prepare("DELETE FROM requests WHERE id = ?1").bind(1, id).run();
  TANDEM_FAILPOINT("inbox.remove.after");
}

}  // namespace tandem::state
