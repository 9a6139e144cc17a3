#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lckv/comm/world.h"

namespace lckv::comm {

/// Collective: every rank's text, by rank.
std::vector<std::string> gather_texts(Communicator& group, const std::string& text);

/// What is thrown on every rank of several at once: whoever reports it says it once, and nobody
/// need be aborted.
struct AgreedError : Error {
  using Error::Error;
};

/// Collective: runs `work` on every rank, then throws AgreedError on all of them when it threw on
/// any: what the lowest failing rank threw, with its exit code, behind "rank 3 (node17): " unless
/// every rank failed alike. Start-up goes in stages of this, so that one mistake is reported once
/// and nobody hangs. In a world of one `work` throws what it throws.
///
/// `work` runs no collective: a rank that threw before it would leave the others there.
void together(World& world, const std::function<void()>& work);

/// The same among the ranks of a group, named by their numbers there.
void together(Communicator& group, const std::function<void()>& work);

/// Collective: throws AgreedError (kConfig) on all ranks naming each rank whose `text` differs from
/// rank 0's, with the first line that differs: "rank 2 (node17): configuration differs from rank
/// 0's: ...".
void require_equal_texts(World& world, const std::string& what, const std::string& text);

/// Collective: whether any rank says so.
bool any_rank(Communicator& group, bool here, const char* label);

/// Collective, cheap enough for every batch: runs `work` (no collectives) and tells whether any
/// rank wants to stop. Throws AgreedError on all ranks when it threw on any, as together() does; in
/// a group of one what it threw.
bool stops_after(Communicator& group, bool stop, const std::function<void()>& work);

}  // namespace lckv::comm
