#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <fuzzer/FuzzedDataProvider.h>

#include "lckv/data/hdf5_handle.h"

namespace lckv::fuzz {

/// What is wrong with one attribute or dataset.
enum class Fault : uint8_t {
  kMissing,
  kValue,    // an attribute's value, one element of a dataset
  kType,     // another class: text for a number, ...
  kOddType,  // another type of the same class: size, byte order, sign
  kSpace,    // more values or none, more axes
  kStorage,  // a dataset's: chunks, filters, nothing written, another file's bytes
  kObject,   // a group, or a link to elsewhere, in place of a dataset
  kMaxValue = kObject
};

/// A token store drawn from fuzz input, written with HDF5 itself: true content, then at most three
/// faults, row counts that may promise more than was written, and damaged bytes of the finished
/// file.
class BuiltStore {
 public:
  explicit BuiltStore(FuzzedDataProvider& input);

  /// Writes it to `path`; what its faults are like is drawn here.
  void write(const std::string& path);

  /// Nothing was wrong with what the file says of its tokens before it was damaged.
  bool is_true() const { return faults_.empty() && promised_ == 0 && !is_old_ && !is_outside_; }
  /// Nor was it damaged.
  bool is_sound() const { return is_true() && !is_damaged_; }
  /// And its tokenizer is there.
  bool has_tokenizer() const { return kind_ == "bytes"; }
  /// Whether opening or verifying must refuse it.
  bool is_wrong() const { return is_wrong_; }

  const std::vector<int32_t>& ids() const { return ids_; }
  const std::vector<int64_t>& starts() const { return starts_; }
  int32_t vocab_size() const { return vocab_; }

 private:
  using Handle = data::Hdf5Handle;

  void draw_content();
  bool has(const char* place, Fault fault) const;
  int64_t draw(int64_t low, int64_t high) { return input_.ConsumeIntegralInRange(low, high); }
  int64_t other_integer(int64_t value);

  void write_content(const std::string& path);
  void damage(const std::string& path);
  void write_integer(const char* name, int64_t value);
  void write_text(const char* name, std::string value);
  void write_attribute(const char* name, hid_t right, Handle type, const std::string& bytes);
  template <class T>
  void write_list(const char* name, hid_t type, const std::vector<T>& rows, int64_t promised = 0);
  void write_list(const char* name, hid_t right, Handle type, const std::string& bytes,
                  int64_t rows, int64_t promised);
  void write_object(const char* name);

  Handle type_of(const char* name, hid_t right, bool is_text);
  Handle other_class(bool is_text);
  Handle odd_integer();
  Handle odd_text(size_t bytes);
  Handle attribute_space(const char* name);
  Handle list_space(const char* name, int64_t rows);
  /// `is_written`: whether data is to be given.
  Handle layout(const char* name, int64_t rows, bool& is_written);

  FuzzedDataProvider& input_;
  std::vector<int32_t> ids_;
  std::vector<int64_t> starts_;
  int32_t vocab_ = 258;
  std::string kind_ = "bytes", sha256_, model_;
  int64_t promised_ = 0;  // rows of `tokens` and `documents` beyond those written
  std::map<std::string, Fault> faults_;
  bool is_wrong_ = false, is_damaged_ = false;
  bool is_old_ = false;      // a file as HDF5 1.8 writes it
  bool is_outside_ = false;  // the last token, of the vocabulary
  Handle file_;
};

}  // namespace lckv::fuzz
