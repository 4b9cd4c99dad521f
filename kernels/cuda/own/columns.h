// How work on the channels of images is shared by blocks and threads.
#ifndef MATHNAS_KERNELS_CUDA_OWN_COLUMNS_H_
#define MATHNAS_KERNELS_CUDA_OWN_COLUMNS_H_

namespace mathnas::kernels::cuda {

constexpr int kColumnThreads = 256;  // of a block

// x{images, rows, channels}. A thread stays with its channels, one or four neighbouring ones, and walks down rows:
// what belongs to channels stays in registers, no element needs a division to find its channel, and threads side by
// side read side by side, with few channels too: their rows follow each other in memory. A block is `width` such
// threads wide and `groups` rows high. Where sums over rows are wanted, each of the `parts` of an image's rows has its
// own, and a second kernel adds these.
struct Columns {
  long long images;
  long long rows;  // of an image
  int channels;
  int vector;  // channels of a thread: 4, or 1
  int width;
  int groups;
  int tiles;  // blocks side by side
  int parts;
  long long part_rows;
};

// Blocks of the second kernel: each sums the parts of so many channels.
constexpr int kFinishedChannels = 16;

}  // namespace mathnas::kernels::cuda

#endif  // MATHNAS_KERNELS_CUDA_OWN_COLUMNS_H_
