// The operations of RandAugment against what Pillow 13.0 makes of the same pixels.
#include "supernet/data/pixel_operations.h"

#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace mathnas::supernet {
namespace {

constexpr std::array<uint8_t, 3> kFill = {124, 116, 104};

// A pattern of all levels, or of those from 30 to 93.
PixelImage Pattern(bool dark) {
  PixelImage image = {4, 5, 3, {}, {}};
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 5; ++x) {
      for (int c = 0; c < 3; ++c) {
        const int v = (x * 37 + y * 59 + c * 83 + x * y * 11) % 256;
        image.values.push_back(static_cast<uint8_t>(dark ? v / 4 + 30 : v));
      }
    }
  }
  return image;
}

std::string Hex(const std::vector<uint8_t>& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (uint8_t b : bytes) text += {kDigits[b / 16], kDigits[b % 16]};
  return text;
}

TEST(PixelOperations, AreThoseOfPillow) {
  const struct {
    PixelOperation operation;
    double argument;
    bool dark;
    const char* expected;
  } cases[] = {
      {PixelOperation::kAutoContrast, 0, true,
       "0053ab257fd34aa7ff6fce0d98f6343995ed6aca089cfe3dcd1a72ff4fa7"
       "77d715b40053f23d95257fd762c100b40053fa4aa23d99ed83e423cd1a6d"},
      {PixelOperation::kEqualize, 0, false,
       "0053a62578cb4a9df06fc21594e73a3b8ee16bbe119bee41cb1e71fb4ea1"
       "76c91cb10457ec3f92277acd62b508b10457f74a9d3d90e383d629c91c6f"},
      {PixelOperation::kInvert, 0, false,
       "ffac59da8734b5620f903dea6b18c5c4711e9441ee6411be34e18e04b15e"
       "8936e34efba813c06dd885329d4af74efba808b562c26f1c7c29d636e390"},
      {PixelOperation::kRotate, 12.5, false,
       "0154b52b7bff5baca8a19a20dc99861f78cc5cd820a5da49b1119ebc7b5b"
       "57d6768f3233f73284358cc86b8b2f927316e6286c7870e84eed56c65e42"},
      {PixelOperation::kPosterize, 3, false,
       "0040a02060c04080e060c00080e0202080e060a00080e040c00060e040a0"
       "60c000a00040e020802060c060a000a00040e040802080e080c020c00060"},
      {PixelOperation::kSolarize, 130, false,
       "0053592578344a620f6f3d156b183a3b711e6b4111641141341e71044e5e"
       "76361c4e0457133f6d277a32624a084e0457084a623d6f1c7c2929361c6f"},
      {PixelOperation::kSolarizeAdd, 40, false,
       "287ba64da0cb729df097c23d94e762638ee193be399bee69cb4699fb76a1"
       "9ec944b12c7fec67924fa2cd8ab530b12c7ff7729d6590e383d651c94497"},
      {PixelOperation::kColor, 0.37, false,
       "2a49684f6e8d7493b286a565abca8a6584a382a161b2d191844463b47493"
       "8dac6c6a2a49a5658451708f7998586a2a49b0708f6786a59ab979824261"},
      {PixelOperation::kColor, 1.63, false,
       "005ce30081ff1fa6ff57de007cff001097ff53da0083ff00ff007eff27ae"
       "5ee500f70064ff189f0083ff4ad100f70064ff23aa1299ff6bf200ff007c"},
      {PixelOperation::kContrast, 0.5, false,
       "3f6892517ba4648db776a04989b25c5c86af749e478cb65fa44e77bc668f"
       "7aa34d97416ab55e88527ca570994397416aba648d5d87b080aa53a34d76"},
      {PixelOperation::kContrast, 1.45, false,
       "003fb80075ed32aaff68e0009dff1b1c95ff62da00a8ff25ed006bff38b0"
       "72ea00c70045ff229b0078f055cd00c70045ff32aa1f98ff85fd02ea0068"},
      {PixelOperation::kBrightness, 0.7, false,
       "003a7419548e336da84d870e67a12829639d4a850b6ca62d8e154faf3670"
       "528c137b023ca52c661b558f447e057b023cac336d2a649e5b951c8c134d"},
      {PixelOperation::kBrightness, 1.3, false,
       "006bd7309cff60ccff90fc1bc0ff4b4cb8ff8bf616c9ff54ff2792ff65d1"
       "99ff24e60571ff51bd329eff7feb0ae60571ff60cc4fbbffaaff35ff2490"},
      {PixelOperation::kSharpness, 0.4, false,
       "0053a62578cb4a9df06fc21594e73a3b8ee16ba6408fbe58b34d71fb4ea1"
       "76c91ca53363c85686567aa962b508b10457f74a9d3d90e383d629c91c6f"},
      {PixelOperation::kSharpness, 1.6, false,
       "0053a62578cb4a9df06fc21594e73a3b8ee16bd500a7ff29e20071fb4ea1"
       "76c91cbd004bff279e007af062b508b10457f74a9d3d90e383d629c91c6f"},
      {PixelOperation::kShearX, 0.15, false,
       "0255a8297cd14ea1e174c70996e93c4396b07ad700aac350dc0c82ff54a7"
       "86792ce10070a558c220988b6abd00ee1f72946de242d580b07c377c7468"},
      {PixelOperation::kShearX, -0.3, false,
       "004ea11b6ec14194ff66b9328fe2303487fd4ea16884fa0db47a5aea2190"
       "7c7468819427d1006bc053b21a91a47c7468ad0053fb43964389e87bdb2f"},
      {PixelOperation::kShearY, -0.2, false,
       "004ea11a6de63f92ff7c74687c74683083eb4bc43e68db8e948b2a9fd645"
       "6bd32b96352be39649a11ba4f34d99ab184fe6298c9e51c42aa3a95fae05"},
      {PixelOperation::kTranslateX, 0.3, false,
       "378afd5caf8286d90c7c74687c746883f609b38659e91c8f7c74687c7468"
       "ee0174895ccf2b9e717c74687c74689a6de040d386ae81347c74687c7468"},
      {PixelOperation::kTranslateY, -0.2, false,
       "7c74687c74687c74687c74687c7468095cb8308ba357b2ca869e24adc553"
       "4ca7bf7f9f04bbd238b31894e6538c89a90ec7006dd338ac2498b763a309"},
  };
  for (const auto& c : cases) {
    PixelImage image = Pattern(c.dark);
    Apply(c.operation, c.argument, kFill, image);
    EXPECT_EQ(Hex(image.values), c.expected) << Name(c.operation) << " " << c.argument;
  }
}

TEST(PixelOperations, HistogramsAreMadeFlat) {
  PixelImage image = {32, 32, 3, {}, {}}, first = {32, 32, 1, {}, {}};
  for (int y = 0; y < 32; ++y) {
    for (int x = 0; x < 32; ++x) {
      for (int c = 0; c < 3; ++c) {
        image.values.push_back(static_cast<uint8_t>((x * x * 3 + y * 7 + c * 40 + x * y) % 200 / (1 + (x + y) % 3)));
        if (c == 0) first.values.push_back(image.values.back());
      }
    }
  }
  Apply(PixelOperation::kEqualize, 0, kFill, image);
  int64_t sum = 0, weighted = 0;
  for (size_t i = 0; i < image.values.size(); ++i) sum += image.values[i], weighted += image.values[i] * (i % 251);
  EXPECT_EQ(sum, 422141);
  EXPECT_EQ(weighted, 52046637);
  Apply(PixelOperation::kEqualize, 0, kFill, first);
  for (size_t i = 0; i < first.values.size(); ++i) ASSERT_EQ(first.values[i], image.values[3 * i]) << i;
}

TEST(PixelOperations, NoChangeLeavesImagesAlone) {
  const std::vector<uint8_t> before = Pattern(false).values;
  for (const auto& [operation, argument] : {std::pair(PixelOperation::kRotate, 0.0),
                                            {PixelOperation::kPosterize, 8.0},
                                            {PixelOperation::kSolarize, 256.0},
                                            {PixelOperation::kSolarizeAdd, 0.0},
                                            {PixelOperation::kColor, 1.0},
                                            {PixelOperation::kContrast, 1.0},
                                            {PixelOperation::kBrightness, 1.0},
                                            {PixelOperation::kSharpness, 1.0},
                                            {PixelOperation::kShearX, 0.0},
                                            {PixelOperation::kShearY, 0.0},
                                            {PixelOperation::kTranslateX, 0.0},
                                            {PixelOperation::kTranslateY, 0.0}}) {
    PixelImage image = Pattern(false);
    Apply(operation, argument, kFill, image);
    EXPECT_EQ(image.values, before) << Name(operation);
  }
}

// Of one channel as of three equal ones, also where an image is a single row, column or pixel.
TEST(PixelOperations, GreyImages) {
  constexpr std::array<uint8_t, 3> kGrey = {99, 99, 99};
  for (const auto& [height, width] : {std::pair<int64_t, int64_t>(4, 5), {1, 6}, {7, 1}, {1, 1}, {2, 2}}) {
    for (int o = 0; o < kPixelOperations; ++o) {
      const auto operation = static_cast<PixelOperation>(o);
      const double argument = operation == PixelOperation::kSolarize ? 100
                              : operation < PixelOperation::kColor   ? 3
                                                                     : 0.3;
      PixelImage one = {height, width, 1, {}, {}}, three = {height, width, 3, {}, {}};
      for (int64_t i = 0; i < height * width; ++i) {
        one.values.push_back(static_cast<uint8_t>(i * 73 + 20));
        three.values.insert(three.values.end(), 3, one.values.back());
      }
      Apply(operation, argument, kGrey, one);
      Apply(operation, argument, kGrey, three);
      ASSERT_EQ(three.values.size(), 3 * one.values.size());
      for (size_t i = 0; i < three.values.size(); ++i) {
        ASSERT_EQ(three.values[i], one.values[i / 3]) << Name(operation) << " " << height << " x " << width;
      }
    }
  }
}

}  // namespace
}  // namespace mathnas::supernet
