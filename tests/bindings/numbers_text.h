// A small parallel text whose translation can be learnt in seconds: numbers from one to twelve, in words.
#ifndef MATHNAS_TESTS_BINDINGS_NUMBERS_TEXT_H_
#define MATHNAS_TESTS_BINDINGS_NUMBERS_TEXT_H_

#include <array>
#include <filesystem>
#include <fstream>
#include <string>

#include "kernels/random.h"

namespace mathnas::cli {

// Writes FOLDER/{train,valid,test}.{de,en}: `train` lines of one to four numbers, and a tenth of it for the others.
inline void WriteNumbers(const std::string& folder, int train) {
  constexpr std::array<const char*, 12> kGerman = {"eins",   "zwei", "drei", "vier", "fünf", "sechs",
                                                   "sieben", "acht", "neun", "zehn", "elf",  "zwölf"};
  constexpr std::array<const char*, 12> kEnglish = {"one",   "two",   "three", "four", "five",   "six",
                                                    "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
  std::filesystem::create_directories(folder);
  kernels::Random random(17);
  for (const auto& [part, lines] :
       {std::pair{"train", train}, std::pair{"valid", train / 10}, std::pair{"test", train / 10}}) {
    std::ofstream german(folder + "/" + part + ".de"), english(folder + "/" + part + ".en");
    for (int i = 0; i < lines; ++i) {
      for (uint32_t word = 0, words = 1 + random.Below(4); word < words; ++word) {
        const uint32_t number = random.Below(12);
        german << (word > 0 ? " " : "") << kGerman[number];
        english << (word > 0 ? " " : "") << kEnglish[number];
      }
      german << "\n", english << "\n";
    }
  }
}

}  // namespace mathnas::cli

#endif  // MATHNAS_TESTS_BINDINGS_NUMBERS_TEXT_H_
