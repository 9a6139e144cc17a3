#include "lckv/train/data_fingerprint.h"

#include "lckv/base/text.h"
#include "lckv/data/token_store.h"

namespace lckv::train {

std::string data_fingerprint(const std::vector<std::string>& stores) {
  std::string text;
  for (const std::string& path : stores) {
    const data::TokenStore store(path);
    text +=
        format("{}{}:{:016x}", text.empty() ? "" : " ", store.info().tokens, store.content_hash());
  }
  return text;
}

}  // namespace lckv::train
