#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lckv/config/document.h"
#include "lckv/config/keys.h"
#include "lckv/config/mistakes.h"

namespace lckv::config {

/// "Key `path` is to hold `value`", said at `place`.
struct Assignment {
  std::string path;
  Node value;
  Place place;
};

/// Where each key, and each section, was last written.
using Places = std::map<std::string, Place>;

/// What one run file says by itself.
struct RunFile {
  std::optional<Assignment> base;       // the key `base`: the file whose keys lie below these
  std::vector<Assignment> assignments;  // one for every other known key
};

/// Reads a run file, but not its base. Adds a mistake for an unknown or repeated key, and for a
/// section that holds no keys.
RunFile read_run_file(const std::string& text, const Place& file, Places& places,
                      Mistakes& mistakes);

/// The assignments of overrides "section.key=value".
std::vector<Assignment> read_overrides(const std::vector<std::string>& overrides, int first_source,
                                       Mistakes& mistakes);

/// The assignments of a Hugging Face config.json, with paths "model.name". Fields that are no keys
/// are ignored.
std::vector<Assignment> read_hf_config(const std::string& json, const Place& file,
                                       Mistakes& mistakes);

/// Writes the values into the fields, later assignments over earlier ones, and notes their places.
/// A value of the wrong type is a mistake and leaves the field as it was; ranges are not looked at
/// here.
void apply(const std::vector<Assignment>& assignments, const std::vector<Key>& keys, Places& places,
           Mistakes& mistakes);

}  // namespace lckv::config
