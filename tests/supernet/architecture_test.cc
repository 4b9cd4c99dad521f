#include "supernet/nasbench201/architecture.h"

#include <zlib.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/status.h"
#include "supernet/counting.h"
#include "supernet/nasbench201/space.h"

namespace mathnas::supernet {
namespace {

using Codes = std::array<int, 6>;

// The text of spec/search-spaces.md 2.6, put together by hand.
std::string Text(const Codes& c) {
  const std::array<std::string, 5> op = {"none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};
  return "|" + op[c[0]] + "~0|+|" + op[c[1]] + "~0|" + op[c[2]] + "~1|+|" + op[c[3]] + "~0|" + op[c[4]] + "~1|" +
         op[c[5]] + "~2|";
}

Codes CodesOf(const Architecture& a) {
  Codes codes;
  for (size_t e = 0; e < codes.size(); ++e) codes[e] = static_cast<int>(a[e]);
  return codes;
}

TEST(Architecture, EveryOneGoesThroughItsText) {
  std::set<std::string> texts;
  for (int n = 0; n < 15625; ++n) {
    Codes codes;
    for (int e = 0, rest = n; e < 6; ++e, rest /= 5) codes[e] = rest % 5;
    Architecture architecture;
    for (int e = 0; e < 6; ++e) architecture[e] = static_cast<blocks::CellOp>(codes[e]);
    const std::string text = ToString(architecture);
    ASSERT_EQ(text, Text(codes));
    const auto parsed = ParseArchitecture(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    ASSERT_EQ(CodesOf(*parsed), codes) << text;
    texts.insert(text);
  }
  EXPECT_EQ(texts.size(), 15625U);
}

// The indices that spec/search-spaces.md 2.6 gives as checks.
TEST(Architecture, TextsOfKnownIndices) {
  const std::pair<const char*, Codes> known[] = {
      {"|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
       {4, 2, 1, 2, 1, 1}},
      {"|avg_pool_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|nor_conv_3x3~2|", {4, 0, 0, 1, 0, 3}},
      {"|avg_pool_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|", {4, 4, 2, 0, 4, 3}}};
  for (const auto& [text, codes] : known) {
    const auto parsed = ParseArchitecture(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(CodesOf(*parsed), codes) << text;
    EXPECT_EQ(ToString(*parsed), text);
  }
}

TEST(Architecture, ErrorsSayWhereAndWhatWasExpected) {
  const struct {
    std::string text;
    std::vector<std::string> fragments;
  } broken[] = {
      {"", {"edge 1<-0", "\"|\""}},
      {"none~0|", {"edge 1<-0", "\"|\""}},
      {"|nor_conv_5x5~0|+|none~0|none~1|+|none~0|none~1|none~2|",
       {"edge 1<-0", "one of none, skip_connect", "nor_conv_5x5"}},
      {"|None~0|+|none~0|none~1|+|none~0|none~1|none~2|", {"edge 1<-0", "one of"}},
      {"| none~0|+|none~0|none~1|+|none~0|none~1|none~2|", {"edge 1<-0", "one of"}},
      {"|none|+|none~0|none~1|+|none~0|none~1|none~2|", {"edge 1<-0", "one of"}},
      {"|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", {"edge 1<-0", "\"~0\" after the operation"}},
      {"|none~0||none~0|none~1|+|none~0|none~1|none~2|", {"edge 2<-0", "\"|+|\""}},
      {"|none~0|+|none~0|none~0|+|none~0|none~1|none~2|", {"edge 2<-1", "\"~1\" after the operation"}},
      {"|none~0|+|none~0|+|none~0|none~1|none~2|", {"edge 2<-1", "one of"}},
      {"|none~0|+|none~0|none~1|", {"edge 3<-0", "\"|+|\""}},
      {"|none~0|+|none~0|none~1|+|none~0|none~1|none~3|", {"edge 3<-2", "\"~2\" after the operation"}},
      {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2", {"edge 3<-2", "and then the end"}},
      {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|x", {"edge 3<-2", "and then the end"}},
      {std::string("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|") + '\0', {"edge 3<-2", "and then the end"}},
      {"|none~0|+|none~0|none~1|+|none~0|none~1|none~2|+|none~0|none~1|none~2|none~3|",
       {"edge 3<-2", "and then the end"}}};
  for (const auto& [text, fragments] : broken) {
    const auto parsed = ParseArchitecture(text);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
    for (const std::string& fragment : fragments) {
      EXPECT_NE(kernels::Message(parsed.status()).find(fragment), std::string::npos)
          << text << "\n"
          << kernels::Message(parsed.status()) << "\nwithout " << fragment;
    }
  }
  // A text of any length gives a message of a readable one.
  EXPECT_LT(kernels::Message(ParseArchitecture(std::string(1 << 20, 'x')).status()).size(), 1000U);
}

TEST(Architecture, SubnetsAsJson) {
  const auto space = *NasBench201({});
  const Choice choice = {3, 1, 4, 0, 2, 4};
  const std::string text = Text({3, 1, 4, 0, 2, 4});
  const std::string json = R"({"arch":")" + text + R"("})";
  EXPECT_EQ(space->SubnetJson(choice), json);
  for (const std::string& form : {json, std::string("[3,1,4,0,2,4]"), std::string(R"({"arch": [3,1,4,0,2,4]})")}) {
    const auto parsed = space->ParseSubnet(form);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, choice) << form;
  }
  const std::pair<const char*, const char*> broken[] = {
      {"", "expected"},
      {"{", "expected"},
      {"3", "expected"},
      {"{}", "expected"},
      {R"({"arch":"x","more":1})", "expected"},
      {R"({"arch":7})", "expected a string"},
      {R"({"arch":"|none~0|"})", "edge 2<-0"},
      {"[3,1,4,0,2]", "5 codes, expected 6"},
      {"[3,1,4,0,2,4,4]", "7 codes, expected 6"},
      {"[3,1,4,0,2,5]", "subnet[5]: 5, expected an integer from 0 to 4"},
      {"[3,1,-1,0,2,4]", "subnet[2]: -1"},
      {"[3,1,4.0,0,2,4]", "subnet[2]: 4.0"},
      {"[3,\"1\",4,0,2,4]", "subnet[1]: \"1\""},
      {"[18446744073709551615,1,4,0,2,4]", "subnet[0]"},
      {"[4294967296,1,4,0,2,4]", "subnet[0]"}};
  for (const auto& [form, fragment] : broken) {
    const auto parsed = space->ParseSubnet(form);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << form;
    EXPECT_NE(kernels::Message(parsed.status()).find(fragment), std::string::npos)
        << form << ": " << kernels::Message(parsed.status());
  }
}

// FLOPs and parameters of spec/search-spaces.md 2.7.
TEST(Counting, PublishedNetworks) {
  const struct {
    Codes codes;
    double cifar10_mflops;
    int64_t cifar10_parameters;
    double imagenet_mflops;  // 0: not published
    int64_t imagenet_parameters;
  } published[] = {{{0, 1, 4, 4, 1, 0}, 7.78305, 73306, 1.95340, 80456},
                   {{4, 2, 1, 2, 1, 1}, 15.64737, 129306, 3.91948, 136456},
                   {{3, 3, 4, 0, 3, 4}, 113.95137, 802426, 28.49548, 809576},
                   {{1, 1, 1, 0, 2, 0}, 11.71521, 101306, 2.93644, 108456},
                   {{0, 0, 0, 3, 0, 0}, 43.17249, 316346, 0, 0},
                   {{2, 2, 2, 2, 2, 2}, 31.37601, 241306, 0, 0},
                   {{3, 0, 3, 1, 0, 1}, 78.56193, 559386, 0, 0},
                   {{3, 3, 3, 3, 3, 3}, 220.11969, 1531546, 0, 0}};
  const auto cifar10 = *NasBench201({});
  const auto cifar100 = *NasBench201({.classes = 100});
  const auto imagenet = *NasBench201({.classes = 120, .height = 16, .width = 16});
  for (const auto& p : published) {
    const Choice choice(p.codes.begin(), p.codes.end());
    const auto check = [&](const SearchSpace& space, double mflops, int64_t parameters) {
      const auto cost = CountNetwork(space, choice);
      ASSERT_TRUE(cost.ok()) << cost.status();
      EXPECT_EQ(cost->total.flops, std::llround(mflops * 1e6)) << Text(p.codes);
      EXPECT_EQ(cost->total.parameters, parameters) << Text(p.codes);
    };
    check(*cifar10, p.cifar10_mflops, p.cifar10_parameters);
    check(*cifar100, p.cifar10_mflops + 0.00585, p.cifar10_parameters + 5850);
    if (p.imagenet_mflops > 0) check(*imagenet, p.imagenet_mflops, p.imagenet_parameters);
  }
}

// The lines of a .csv.gz file.
std::vector<std::vector<std::string>> ReadRows(const std::string& path) {
  std::vector<std::vector<std::string>> rows;
  const std::unique_ptr<gzFile_s, int (*)(gzFile)> file(gzopen(path.c_str(), "rb"), gzclose);
  if (file == nullptr) return rows;
  char line[4096];
  while (gzgets(file.get(), line, sizeof line) != nullptr) {
    std::istringstream stream(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(stream, field, ',');) fields.push_back(field);
    rows.push_back(std::move(fields));
  }
  return rows;
}

TEST(Architecture, AgreesWithTheBenchmarksOwnTable) {
  const char* folder = std::getenv("MATHNAS_DATA");
  if (folder == nullptr) GTEST_SKIP() << "needs MATHNAS_DATA, a folder with nasbench201/architectures.csv.gz";
  const auto rows = ReadRows(std::string(folder) + "/nasbench201/architectures.csv.gz");
  ASSERT_EQ(rows.size(), 15626U);
  ASSERT_EQ(rows[0][1], "arch_str");
  ASSERT_EQ(rows[0][9], "flops_m_cifar10");
  ASSERT_EQ(rows[0][10], "params_cifar10");
  const auto space = *NasBench201({});
  for (size_t r = 1; r < rows.size(); ++r) {
    const std::vector<std::string>& row = rows[r];
    const auto parsed = ParseArchitecture(row[1]);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    Codes codes;
    for (size_t e = 0; e < 6; ++e) codes[e] = std::stoi(row[2 + e]);
    ASSERT_EQ(CodesOf(*parsed), codes) << row[1];
    if (r % 52 != 0) continue;  // counting makes a plan: 300 of them
    const auto cost = CountNetwork(*space, Choice(codes.begin(), codes.end()));
    ASSERT_TRUE(cost.ok()) << cost.status();
    EXPECT_EQ(cost->total.flops, std::llround(std::stod(row[9]) * 1e6)) << row[1];
    EXPECT_EQ(cost->total.parameters, std::stoll(row[10])) << row[1];
  }
}

}  // namespace
}  // namespace mathnas::supernet
