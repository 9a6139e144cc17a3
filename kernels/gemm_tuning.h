#pragma once

#include <filesystem>

namespace lckv::ops {

/// Matrix products on CUDA devices, until this is called, take the first algorithm that cuBLASLt
/// proposes for their shape. From now on a new shape takes what `file` says; one that it does not
/// name yet is timed once, in several algorithms on its first operands, and the fastest is written
/// there. So equal shapes have equal bits in every run that is given the file, on the same kind of
/// GPU with the same cuBLAS; of another kind or version it keeps lines of its own.
///
///   file   made when absent; several jobs may share one (see GemmAlgorithmFile), ranks have one
///          each. "": back to the first proposal, for shapes not met yet
///
/// Call it before the first product: shapes already met keep their algorithm. What is first met
/// while a graph is recorded is not timed, nor are more than 1024 shapes in a file: they take the
/// first proposal.
///
/// Throws DataError naming file and line where it cannot be read, IoError where it cannot be
/// written, CudaError when built without CUDA.
void set_gemm_tuning(const std::filesystem::path& file);

}  // namespace lckv::ops
