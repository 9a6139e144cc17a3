#include "lckv/tensor/graph.h"

#include "lckv/tensor/cuda_runtime.h"

namespace lckv {

void Graph::launch(Stream& stream) const { cuda::launch_graph(graph_.get(), stream.native()); }

Graph::Recording::Recording(Stream& stream) : stream_(stream) {
  cuda::begin_capture(stream.native());
}

Graph::Recording::~Recording() {
  if (ended_) return;
  try {
    cuda::destroy_graph(cuda::end_capture(stream_.native()));
  } catch (const CudaError&) {  // the recording is void; what the work threw is on its way
  }
}

Graph Graph::Recording::end() {
  ended_ = true;
  Graph graph;
  graph.graph_ = {cuda::end_capture(stream_.native()), cuda::destroy_graph};
  return graph;
}

}  // namespace lckv
