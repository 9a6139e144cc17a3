#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/tensor/buffer.h"

namespace lckv::checkpoint {

/// Where nothing waits for a disk, for tests that save thousands of times; an ordinary folder for
/// temporaries where the machine has no such place.
inline std::filesystem::path memory_folder() {
  const std::filesystem::path shared_memory = "/dev/shm";
  return ::access(shared_memory.c_str(), W_OK) == 0 ? shared_memory
                                                    : std::filesystem::path(testing::TempDir());
}

/// An empty folder for each test, removed after it.
class FilesTest : public testing::Test {
 protected:
  explicit FilesTest(const std::filesystem::path& where = testing::TempDir()) {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("lckv_") + test->test_suite_name() + "." + test->name();
    std::replace(name.begin(), name.end(), '/', '_');  // of a test with parameters
    folder_ = where / (name + "." + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~FilesTest() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Sorted names of everything in the folder.
  static std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  std::filesystem::path folder_;
};

inline void put_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string get_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// In place: emptying a file and writing it again makes some file systems wait for the disk,
/// thousands of times here.
inline void flip_bit(const std::filesystem::path& path, size_t at, int bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(at));
  const auto byte = static_cast<char>(file.get() ^ (1 << bit));
  file.seekp(static_cast<std::streamoff>(at));
  file.put(byte);
  ASSERT_TRUE(file.flush()) << path << " has no byte " << at;
}

/// Every byte random, so every bit pattern of the dtype occurs, NaN included.
inline Buffer random_buffer(DType dtype, const Shape& shape, uint64_t stream) {
  Buffer buffer(dtype, shape);
  const CounterRng rng(20240517, stream);
  auto* bytes = static_cast<uint8_t*>(buffer.raw());
  for (int64_t i = 0; i < buffer.view().bytes(); ++i) {
    bytes[i] = static_cast<uint8_t>(rng.bits(static_cast<uint64_t>(i)));
  }
  return buffer;
}

inline std::string bytes_of(const ConstView& view) {
  return {static_cast<const char*>(view.raw()), static_cast<size_t>(view.bytes())};
}

/// The message with which `call` fails; a test failure when it throws nothing, or what is not an
/// Error.
template <class Expected = Error, class F>
std::string message_of(F call) {
  try {
    call();
  } catch (const Expected& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of exception: " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace lckv::checkpoint
