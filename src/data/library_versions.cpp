#include "lckv/data/library_versions.h"

#include <hdf5.h>
#include <openssl/crypto.h>
#include <zlib.h>
#include <zstd.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lckv/base/text.h"

namespace lckv::data {

namespace {

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return format("{}.{}.{}", major, minor, release);
}

/// "10.42", without its date.
std::string pcre2_version() {
  char text[64] = "";
  pcre2_config(PCRE2_CONFIG_VERSION, text);
  return split(text, ' ')[0];
}

}  // namespace

std::vector<LibraryVersion> library_versions() {
  return {{"HDF5", hdf5_version()},
          {"SentencePiece", LCKV_SENTENCEPIECE_VERSION},
          {"zlib", zlibVersion()},
          {"Zstandard", ZSTD_versionString()},
          {"OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING)},
          {"PCRE2", pcre2_version()}};
}

}  // namespace lckv::data
