// Files against the `safetensors` package in both directions, and files whose header is false.
#include "model/safetensors.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "support/python_original.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

std::string shell_quoted(const fs::path& path) {
  return "'" + path.string() + "'";
}

TEST(Safetensors, ReadsAndWritesWhatThePythonPackageDoes) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir temp;
  const fs::path theirs = temp / "theirs.safetensors";
  const fs::path ours = temp / "ours.safetensors";
  run_python("tests/model/hf_reference.py", "tensors " + shell_quoted(theirs));
  const NamedTensors tensors = read_safetensors(theirs).tensors;
  std::map<std::string, at::Tensor> by_name(tensors.begin(), tensors.end());
  ASSERT_EQ(by_name.size(), 11U);
  EXPECT_EQ(by_name.at("bf16").scalar_type(), at::kBFloat16);
  EXPECT_EQ(by_name.at("f16").scalar_type(), at::kHalf);
  EXPECT_EQ(by_name.at("f32").sizes(), at::IntArrayRef({3, 5}));
  EXPECT_TRUE(by_name.at("i64").equal(by_name.at("f64").to(at::kLong)));
  EXPECT_EQ(by_name.at("scalar").dim(), 0);
  EXPECT_EQ(by_name.at("scalar").item<double>(), -1.5);
  EXPECT_EQ(by_name.at("empty").sizes(), at::IntArrayRef({0, 4}));
  EXPECT_TRUE(by_name.at("naïve \"name\"").equal(at::arange(3, at::kLong)));
  write_safetensors(ours, tensors, {{"format", "pt"}});
  EXPECT_NO_THROW(run_python("tests/model/hf_reference.py",
                             "same " + shell_quoted(theirs) + " " + shell_quoted(ours)));
  EXPECT_EQ(read_file(ours).size(), read_file(theirs).size());
}

TEST(Safetensors, ViewsAndTransposesAreWrittenAsTheyLook) {
  const TempDir temp;
  const fs::path path = temp / "views.safetensors";
  const at::Tensor matrix = at::arange(12, at::kFloat).view({3, 4});
  write_safetensors(path, {{"transposed", matrix.t()}, {"column", matrix.select(1, 2)}});
  const NamedTensors tensors = read_safetensors(path).tensors;
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0].first, "transposed");
  EXPECT_TRUE(tensors[0].second.equal(matrix.t()));
  EXPECT_TRUE(tensors[1].second.equal(matrix.select(1, 2)));
}

TEST(Safetensors, AMappedFileHoldsTheSameAndOutlivesItsName) {
  const TempDir temp;
  const fs::path path = temp / "mapped.safetensors";
  write_safetensors(
      path, {{"matrix", at::arange(12, at::kFloat).view({3, 4})}, {"empty", at::zeros({0, 4})}},
      {{"key", "value"}});
  at::Tensor matrix;
  {
    const SafetensorsFile mapped = map_safetensors(path);
    EXPECT_EQ(mapped.metadata.at("key"), "value");
    ASSERT_EQ(mapped.tensors.size(), 2U);
    matrix = mapped.tensors[0].second;
    EXPECT_EQ(mapped.tensors[1].second.sizes(), at::IntArrayRef({0, 4}));
  }
  fs::remove(path);
  EXPECT_TRUE(matrix.equal(at::arange(12, at::kFloat).view({3, 4})));
}

// Returns a file with this header and this many bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  const uint64_t size = header.size();
  std::string file(sizeof size, '\0');
  std::memcpy(file.data(), &size, sizeof size);
  return file + header + std::string(data_bytes, 'x');
}

std::string read_error(const std::string& content) {
  const TempDir temp;
  const fs::path path = temp / "hostile.safetensors";
  write_file_atomic(path, content);
  try {
    read_safetensors(path);
  } catch (const CheckpointError& error) {
    std::string message = error.what();
    const size_t at = message.find(path.string());
    if (at != std::string::npos) message.replace(at, path.string().size(), "FILE");
    return message;
  }
  return "no error";
}

constexpr const char* kTwoFloats = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

TEST(SafetensorsHostile, TheGoodFileIsGood) {
  EXPECT_EQ(read_error(file_of(kTwoFloats, 8)), "no error");
  EXPECT_EQ(read_error(file_of("{}", 0)), "no error");
  EXPECT_EQ(read_error(file_of(R"({"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]}})", 0)),
            "no error");
}

TEST(SafetensorsHostile, Truncated) {
  EXPECT_EQ(read_error(""), "FILE: expected a safetensors file, found 0 bytes");
  EXPECT_EQ(read_error("1234567"), "FILE: expected a safetensors file, found 7 bytes");
  const std::string whole = file_of(kTwoFloats, 8);
  EXPECT_EQ(read_error(whole.substr(0, 30)),
            "FILE: header of 54 bytes does not fit the file of 30 bytes; it is truncated or no "
            "safetensors file");
  EXPECT_EQ(read_error(whole.substr(0, whole.size() - 1)),
            "FILE: expected 8 bytes of tensor data, found 7; the file is truncated");
  EXPECT_EQ(read_error(whole + "y"),
            "FILE: expected 8 bytes of tensor data, found 9; the file is too long");
}

TEST(SafetensorsHostile, HeaderLength) {
  std::string huge = file_of(kTwoFloats, 8);
  huge.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
  EXPECT_EQ(read_error(huge),
            "FILE: header of 18446744073709551615 bytes does not fit the file of 70 bytes; it is "
            "truncated or no safetensors file");
  EXPECT_EQ(read_error(std::string(16, '\0')), "FILE: the header is not a JSON object");
}

TEST(SafetensorsHostile, HeaderThatIsNoObject) {
  for (const char* header : {"", "[1,2]", "{\"a\":", "\xff\xfe", "{} {}", "null"})
    EXPECT_EQ(read_error(file_of(header, 8)), "FILE: the header is not a JSON object") << header;
  EXPECT_EQ(read_error(file_of(std::string(100'000, '['), 0)),
            "FILE: the header is not a JSON object");
}

std::string entry_error(const std::string& entry) {
  return read_error(file_of("{\"a\":" + entry + "}", 8));
}

TEST(SafetensorsHostile, EntryThatIsNoTensor) {
  for (const char* entry : {"7", "[]", "{}", R"({"dtype":"F32","shape":[2]})"})
    EXPECT_EQ(entry_error(entry), "FILE: tensor 'a': expected dtype, shape and data_offsets");
  EXPECT_EQ(entry_error(R"({"dtype":"F8_E5M2","shape":[2],"data_offsets":[0,8]})"),
            "FILE: tensor 'a': unknown dtype \"F8_E5M2\"");
  EXPECT_EQ(entry_error(R"({"dtype":32,"shape":[2],"data_offsets":[0,8]})"),
            "FILE: tensor 'a': unknown dtype 32");
  for (const char* rest :
       {R"("shape":2,"data_offsets":[0,8])", R"("shape":[2],"data_offsets":[0,8,9])",
        R"("shape":[2],"data_offsets":[-1,7])", R"("shape":[2],"data_offsets":[0,"8"])",
        R"("shape":[2],"data_offsets":{})"}) {
    EXPECT_EQ(entry_error(fmt::format(R"({{"dtype":"F32",{}}})", rest)),
              "FILE: tensor 'a': shape or data_offsets is not a list of sizes")
        << rest;
  }
  for (const char* shape : {"[-2]", "[2.0]", "[\"2\"]", "[null]"}) {
    EXPECT_EQ(
        entry_error(fmt::format(R"({{"dtype":"F32","shape":{},"data_offsets":[0,8]}})", shape)),
        "FILE: tensor 'a': shape is not a list of sizes")
        << shape;
  }
}

TEST(SafetensorsHostile, ShapeAndOffsetsThatDisagree) {
  const auto with = [](const std::string& shape, const std::string& offsets) {
    return entry_error(
        fmt::format(R"({{"dtype":"F32","shape":{},"data_offsets":{}}})", shape, offsets));
  };
  EXPECT_EQ(with("[3]", "[0,8]"),
            "FILE: tensor 'a': expected 12 bytes for its shape, found data_offsets [0, 8]");
  EXPECT_EQ(with("[2]", "[8,0]"),
            "FILE: tensor 'a': expected 8 bytes for its shape, found data_offsets [8, 0]");
  EXPECT_EQ(with("[]", "[0,8]"),
            "FILE: tensor 'a': expected 4 bytes for its shape, found data_offsets [0, 8]");
  EXPECT_EQ(with("[4611686018427387904,4]", "[0,0]"), "FILE: tensor 'a': shape is too large");
  EXPECT_EQ(with("[9223372036854775808]", "[0,0]"), "FILE: tensor 'a': shape is too large");
  EXPECT_EQ(with("[1000000000000]", "[0,4000000000000]"),
            "FILE: expected 4000000000000 bytes of tensor data, found 8; the file is truncated");
}

TEST(SafetensorsHostile, DataThatOverlapsOrLeavesGaps) {
  const auto two = [](const std::string& first, const std::string& second, size_t bytes) {
    return read_error(
        file_of(fmt::format(R"({{"a":{{"dtype":"F32","shape":[2],"data_offsets":{}}},)"
                            R"("b":{{"dtype":"F32","shape":[2],"data_offsets":{}}}}})",
                            first, second),
                bytes));
  };
  EXPECT_EQ(two("[8,16]", "[0,8]", 16), "no error");
  EXPECT_EQ(two("[0,8]", "[4,12]", 12), "FILE: tensor 'b': expected its data at byte 8, found 4");
  EXPECT_EQ(two("[0,8]", "[0,8]", 8), "FILE: tensor 'b': expected its data at byte 8, found 0");
  EXPECT_EQ(two("[0,8]", "[12,20]", 20), "FILE: tensor 'b': expected its data at byte 8, found 12");
  EXPECT_EQ(two("[4,12]", "[12,20]", 20), "FILE: tensor 'a': expected its data at byte 0, found 4");
}

TEST(SafetensorsFiles, AbsentAndUnwritable) {
  const TempDir temp;
  const std::string absent = (temp / "absent.safetensors").string();
  const auto message = [](auto call) -> std::string {
    try {
      call();
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message([&] { read_safetensors(absent); }),
            absent + ": cannot open: No such file or directory");
  const std::string nowhere = (temp / "no/such/folder.safetensors").string();
  EXPECT_EQ(message([&] { write_safetensors(nowhere, {}); }),
            nowhere + ": cannot write: No such file or directory");
  EXPECT_EQ(message([&] {
              write_safetensors(temp / "types", {{"c", at::zeros({2}, at::kComplexFloat)}});
            }),
            "tensor 'c': type ComplexFloat has no place in safetensors");
  if (fs::exists("/dev/full")) {
    EXPECT_EQ(message([&] {
                write_safetensors("/dev/full", {{"a", at::zeros({100'000}, at::kFloat)}});
              }),
              "/dev/full: cannot write: No space left on device");
  }
}

}  // namespace
}  // namespace apollo
