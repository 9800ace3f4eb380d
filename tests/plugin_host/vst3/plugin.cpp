// A polyphonic synth, or with TEST_EFFECT a gain: the plug-ins of the tests. Every sample is worked out alone, so the
// sound does not depend on the lengths of blocks. What goes wrong is chosen when it is compiled:
//   TEST_CRASH_LOAD     crashes as it is made        TEST_CRASH_BLOCKS=n  crashes in block n after it was switched on
//   TEST_HANG           never comes to be            TEST_NOISY           prints to stdout as it is made
//   TEST_MONO           one channel                  TEST_LATENCY=n       sounds n frames late, and says so
//   TEST_NAN            gives numbers that are none
#include "DistrhoPlugin.hpp"
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unistd.h>
#include <vector>
#ifdef TEST_LATENCY
static const size_t lateness = TEST_LATENCY;
#else
static const size_t lateness = 0;
#endif
START_NAMESPACE_DISTRHO

#ifdef TEST_EFFECT
enum { kGain, kCount };
static const float defaults[kCount] = {0.5f};
#else
enum { kGain, kAttack, kRelease, kBright, kWave, kCount };
static const float defaults[kCount] = {0.3f, 0.005f, 0.2f, 0.5f, 0.f};
struct Voice {
    int note = -1, channel = 0;
    float loud = 0, phase = 0, level = 0;
    bool held = false;
};
#endif

class TestPlugin : public Plugin {
    float p[kCount];
    uint32_t blocks = 0;
    std::vector<float> late = std::vector<float>(2 * lateness + 2, 0.f);
    size_t lateAt = 0;

public:
    TestPlugin() : Plugin(kCount, 0, 0) {
        std::memcpy(p, defaults, sizeof p);
#ifdef TEST_LATENCY
        setLatency(TEST_LATENCY);
#endif
#ifdef TEST_NOISY
        std::puts("{\"stage\": \"done\", \"trouble\": \"noise\"}");
        std::fflush(stdout);
#endif
#ifdef TEST_CRASH_LOAD
        std::abort();
#endif
#ifdef TEST_HANG
        if (fork() == 0) for (;;) pause();  // a process of its own, as licence checkers have
        for (;;) pause();
#endif
    }

protected:
    const char* getLabel() const override { return "Test"; }
    const char* getMaker() const override { return "Test Makers"; }
    const char* getLicense() const override { return "ISC"; }
    uint32_t getVersion() const override { return d_version(1, 2, 3); }
    int64_t getUniqueId() const override {
#ifdef TEST_EFFECT
        return d_cconst('T', 'm', 'e', 'f');
#else
        return d_cconst('T', 'm', 's', 'y');
#endif
    }
    float getParameterValue(uint32_t i) const override { return p[i]; }
    void setParameterValue(uint32_t i, float value) override { p[i] = value; }

    void initParameter(uint32_t i, Parameter& q) override {
        q.hints = kParameterIsAutomatable;
        q.ranges.def = defaults[i];
        if (i == kGain) { q.name = "Gain"; q.symbol = "gain"; q.ranges.min = 0; q.ranges.max = 1; }
#ifndef TEST_EFFECT
        if (i == kAttack) { q.name = "Attack"; q.symbol = "attack"; q.unit = "s"; q.ranges.min = 0.001f; q.ranges.max = 2; }
        if (i == kRelease) { q.name = "Release Time"; q.symbol = "release"; q.unit = "s"; q.ranges.min = 0.005f; q.ranges.max = 4; }
        if (i == kBright) { q.name = "Brightness"; q.symbol = "bright"; q.ranges.min = 0; q.ranges.max = 1; }
        if (i == kWave) {
            q.name = "Wave"; q.symbol = "wave"; q.ranges.min = 0; q.ranges.max = 2; q.hints |= kParameterIsInteger;
            q.enumValues.count = 3; q.enumValues.restrictedMode = true;
            auto* values = new ParameterEnumerationValue[3];
            values[0] = {0, "Sine"}; values[1] = {1, "Saw"}; values[2] = {2, "Square"};
            q.enumValues.values = values;
        }
#endif
    }

    void put(float** out, uint32_t i, const float (&sample)[2]) {
        for (int c = 0; c < DISTRHO_PLUGIN_NUM_OUTPUTS; ++c) {
            late[2 * lateAt + c] = sample[c];
            out[c][i] = late[2 * ((lateAt + 1) % (lateness + 1)) + c];
        }
        lateAt = (lateAt + 1) % (lateness + 1);
    }

    void activate() override {
        blocks = 0; lateAt = 0; late.assign(late.size(), 0.f);
#ifndef TEST_EFFECT
        for (auto& v : voices) v = Voice();
        std::memset(bend, 0, sizeof bend);
#endif
    }

    void count() {
        ++blocks;
#ifdef TEST_CRASH_BLOCKS
        if (blocks == TEST_CRASH_BLOCKS) std::abort();
#endif
    }

#ifdef TEST_EFFECT
    void run(const float** in, float** out, uint32_t frames) override {
        count();
        for (uint32_t i = 0; i < frames; ++i) {
            const float sample[2] = {p[kGain] * in[0][i], p[kGain] * in[DISTRHO_PLUGIN_NUM_INPUTS - 1][i]};
            put(out, i, sample);
        }
    }
#else
    static constexpr int kVoices = 32;
    Voice voices[kVoices];
    float bend[16] = {};

    void midi(const MidiEvent& e) {
        const uint8_t* d = e.size > MidiEvent::kDataSize ? e.dataExt : e.data;
        const int kind = d[0] & 0xF0, channel = d[0] & 15;
        if (kind == 0x90 && d[2] > 0) {
            Voice* best = &voices[0];
            for (auto& v : voices) {
                if (v.note < 0) { best = &v; break; }
                if (v.level < best->level) best = &v;
            }
            *best = Voice();
            best->note = d[1]; best->channel = channel; best->loud = d[2] / 127.f; best->held = true;
        } else if (kind == 0x80 || kind == 0x90) {
            for (auto& v : voices) if (v.note == d[1] && v.channel == channel) v.held = false;
        } else if (kind == 0xE0) {
            bend[channel] = ((d[1] | (d[2] << 7)) - 8192) / 8192.f * 2.f;
        } else if (kind == 0xB0 && (d[1] == 123 || d[1] == 120)) {
            for (auto& v : voices) v.held = false;
        }
    }

    float wave(float phase) const {
        if (p[kWave] > 1.5f) return phase < 0.5f ? 1.f : -1.f;
        if (p[kWave] > 0.5f) return 1.f - 2.f * phase;
        return std::sin(6.2831853f * phase) + p[kBright] * std::sin(12.5663706f * phase);
    }

    void run(const float**, float** out, uint32_t frames, const MidiEvent* events, uint32_t n) override {
        count();
        const float rate = getSampleRate(), up = 1.f / (p[kAttack] * rate), down = std::exp(-5.f / (p[kRelease] * rate));
        uint32_t k = 0;
        for (uint32_t i = 0; i < frames; ++i) {
            for (; k < n && events[k].frame <= i; ++k) midi(events[k]);
            float sum = 0;
            for (auto& v : voices) {
                if (v.note < 0) continue;
                v.level = v.held ? std::fmin(1.f, v.level + up) : v.level * down;
                v.phase += 440.f * std::pow(2.f, (v.note - 69 + bend[v.channel]) / 12.f) / rate;
                if (v.phase >= 1) v.phase -= 1;
                sum += p[kGain] * v.loud * v.level * wave(v.phase);
                if (!v.held && v.level < 1e-5f) v.note = -1;
            }
#ifdef TEST_NAN
            sum = NAN;
#endif
            const float sample[2] = {sum, sum};
            put(out, i, sample);
        }
    }
#endif
};

Plugin* createPlugin() { return new TestPlugin(); }
END_NAMESPACE_DISTRHO
