#include "lckv/data/byte_reader.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include <zlib.h>
#include <zstd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

constexpr size_t kBufferBytes = 128 << 10;

class PlainReader : public ByteReader {
 public:
  explicit PlainReader(const std::string& path)
      : path_(path), file_(std::fopen(path.c_str(), "rb")) {
    if (file_ == nullptr)
      throw IoError(format("{}: cannot be opened: {}", path, std::strerror(errno)));
    if (std::filesystem::is_directory(path)) throw IoError(path + ": is a folder, expected a file");
  }

  size_t read(char* out, size_t capacity) override {
    const size_t count = std::fread(out, 1, capacity, file_.get());
    if (count == 0 && std::ferror(file_.get()) != 0) {
      throw IoError(
          format("{}: cannot be read at byte {}: {}", path_, position_, std::strerror(errno)));
    }
    position_ += static_cast<int64_t>(count);
    return count;
  }

  int64_t position_bytes() const override { return position_; }

 private:
  struct Close {
    void operator()(FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<FILE, Close> file_;
  int64_t position_ = 0;
};

class GzipReader : public ByteReader {
 public:
  explicit GzipReader(const std::string& path) : path_(path), file_(path) {
    constexpr int kGzipOnly = 16;
    if (inflateInit2(&stream_, MAX_WBITS + kGzipOnly) != Z_OK) {
      throw IoError(path + ": zlib cannot start");
    }
  }
  ~GzipReader() override { inflateEnd(&stream_); }

  size_t read(char* out, size_t capacity) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(capacity);
    while (stream_.avail_out == capacity) {
      if (stream_.avail_in == 0 && !refill()) {
        if (!between_members_) throw DataError(path_ + ": cut off (the gzip stream has no end)");
        return 0;
      }
      if (between_members_) inflateReset(&stream_);
      between_members_ = false;
      const int result = inflate(&stream_, Z_NO_FLUSH);
      between_members_ = result == Z_STREAM_END;
      if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
        throw DataError(format("{}: damaged gzip near byte {}: {}", path_, file_.position_bytes(),
                               stream_.msg != nullptr ? stream_.msg : "bad stream"));
      }
    }
    return capacity - stream_.avail_out;
  }

  int64_t position_bytes() const override { return file_.position_bytes(); }

 private:
  bool refill() {
    stream_.avail_in = static_cast<uInt>(file_.read(buffer_.data(), buffer_.size()));
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    return stream_.avail_in > 0;
  }

  std::string path_;
  PlainReader file_;
  std::vector<char> buffer_ = std::vector<char>(kBufferBytes);
  z_stream stream_{};
  bool between_members_ = false;  // a gzip file may hold several streams, one after the other
};

class ZstdReader : public ByteReader {
 public:
  explicit ZstdReader(const std::string& path)
      : path_(path), file_(path), stream_(ZSTD_createDStream()) {}

  size_t read(char* out, size_t capacity) override {
    ZSTD_outBuffer output{out, capacity, 0};
    while (output.pos == 0) {
      // At the end of the file the decoder may still hold output: it is asked once more, with
      // nothing.
      const bool at_end = input_.pos == input_.size && !refill();
      if (at_end && !inside_frame_) return 0;
      const size_t result = ZSTD_decompressStream(stream_.get(), &output, &input_);
      if (ZSTD_isError(result) != 0) {
        throw DataError(format("{}: damaged zstd near byte {}: {}", path_, file_.position_bytes(),
                               ZSTD_getErrorName(result)));
      }
      inside_frame_ = result != 0;
      if (at_end && output.pos == 0 && inside_frame_) {
        throw DataError(path_ + ": cut off (the zstd frame has no end)");
      }
    }
    return output.pos;
  }

  int64_t position_bytes() const override { return file_.position_bytes(); }

 private:
  bool refill() {
    input_ = {buffer_.data(), file_.read(buffer_.data(), buffer_.size()), 0};
    return input_.size > 0;
  }

  struct Free {
    void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
  };
  std::string path_;
  PlainReader file_;
  std::vector<char> buffer_ = std::vector<char>(kBufferBytes);
  std::unique_ptr<ZSTD_DStream, Free> stream_;
  ZSTD_inBuffer input_{nullptr, 0, 0};
  bool inside_frame_ = true;  // an empty file is no frame at all, hence cut off
};

}  // namespace

std::unique_ptr<ByteReader> open_byte_reader(const std::string& path) {
  if (path.ends_with(".gz")) return std::make_unique<GzipReader>(path);
  if (path.ends_with(".zst")) return std::make_unique<ZstdReader>(path);
  return std::make_unique<PlainReader>(path);
}

}  // namespace lckv::data
