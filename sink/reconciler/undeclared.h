// Documents that the ledger knows and the config no longer declares. One thread.
#pragma once

#include "sink/reconciler/dirty_queue.h"
#include "sink/reconciler/quarantine.h"
#include "sink/reconciler/replica_view.h"
#include "state/ledger.h"

namespace tandem::sink {

/// Their items stay, unless `prune` asks for their deletion: then they become dirty documents that
/// yield nothing. Their dead letters go. Should such a document come back, its fingerprint must not
/// look as if it had been kept right meanwhile.
void forget_undeclared(ReplicaView& view, state::Ledger& ledger, Quarantine& quarantine,
                       DirtyQueue& queue, bool prune);

}  // namespace tandem::sink
