// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"bytes"
	"context"
	"image/jpeg"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"framering"
	"framering/internal/livetest"
)

// device is a broker, and a producer on the stand-in for the vendor's library, 320x240 at 30 frames a second.
type device struct {
	*livetest.World
	broker, producer *livetest.Process
}

func newDevice(t *testing.T) *device {
	w := livetest.New(t)
	d := &device{World: w, broker: w.Broker()}
	d.startProducer()
	return d
}

func (d *device) startProducer() {
	d.producer = d.Start([]string{"KVM_STANDIN_CONTROL=" + filepath.Join(d.Dir, "kvm.sock")},
		"producer/framering-producer", "--source", "kvm", "--stream", "hdmi", "--width", "320", "--height", "240",
		"--library", d.Path("tests/vendor_standin/libkvm_mmf.so"))
}

func (d *device) fault(t *testing.T, command ...string) {
	t.Helper()
	control := d.Start(nil, "tests/vendor_standin/kvm-standin-ctl",
		append([]string{filepath.Join(d.Dir, "kvm.sock")}, command...)...)
	control.Wait()
}

func (d *device) handle(t *testing.T) *KvmVision {
	k := New(d.Dir, "hdmi")
	t.Cleanup(k.Close)
	return k
}

// until reads until the result is wanted.
func until(t *testing.T, what string, wanted int, read func() ([]byte, int)) []byte {
	t.Helper()
	seen := map[int]int{}
	for end := time.Now().Add(livetest.Patience); time.Now().Before(end); {
		data, result := read()
		if seen[result]++; result == wanted {
			return data
		}
	}
	t.Fatalf("%s: no result %d, but (result: times) %v", what, wanted, seen)
	return nil
}

// patient reads from a source that sends: a read that waited in vain, on a busy machine, is made again.
func patient(read func() ([]byte, int)) ([]byte, int) {
	for end := time.Now().Add(livetest.Patience); ; {
		if data, result := read(); result != ResultRetrieving || time.Now().After(end) {
			return data, result
		}
	}
}

func h264(k *KvmVision) func() ([]byte, int) {
	return func() ([]byte, int) { return k.ReadH264(0, 0, 0) }
}

func mjpeg(k *KvmVision) func() ([]byte, int) {
	return func() ([]byte, int) { return k.ReadMjpeg(0, 0, 0) }
}

func TestReadsGiveTheVendorsResults(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k := d.handle(t)
	data := until(t, "I", ResultI, h264(k))
	if !bytes.HasPrefix(data, []byte{0, 0, 0, 1, 0x67}) && !bytes.HasPrefix(data, []byte{0, 0, 1, 0x67}) {
		t.Fatalf("an I frame begins with % x instead of its SPS", data[:min(8, len(data))])
	}
	for range 20 {
		if data, result := patient(h264(k)); result != ResultP && result != ResultI || len(data) == 0 {
			t.Fatalf("result %d, %d bytes", result, len(data))
		}
	}
	picture, err := jpeg.Decode(bytes.NewReader(until(t, "JPEG", ResultJPEG, mjpeg(k))))
	if err != nil || picture.Bounds().Dx() != 320 {
		t.Fatalf("%v", err)
	}
	d.Until("there is a signal, as pictures come", k.HasHDMISignal) // a state that follows the first picture
	k.Close()
	if _, result := k.ReadH264(0, 0, 0); result != ResultNoImage {
		t.Fatalf("after Close: %d", result)
	}
	if _, result := k.ReadMjpeg(0, 0, 0); result != ResultNoImage {
		t.Fatalf("after Close: %d", result)
	}
}

func TestCallersDoNotTakeFramesFromEachOther(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	var callers sync.WaitGroup
	for i := range 3 {
		k := d.handle(t)
		until(t, "I", ResultI, h264(k))
		callers.Add(1)
		go func() {
			defer callers.Done()
			const reads = 60
			var count uint64
			for attempt := 0; attempt == 0 || count > 2*reads && attempt < 5; attempt++ { // or the machine was elsewhere
				before := d.published(t)
				for n := range reads {
					if _, result := patient(h264(k)); result != ResultP && result != ResultI {
						t.Errorf("caller %d, read %d: result %d", i, n, result)
					}
				}
				count = d.published(t) - before
			}
			// One source, three callers: each gets all of its frames and waits for no share. With shares of a third
			// there would have been three times as many.
			if count > 2*reads {
				t.Errorf("caller %d got %d of %d frames", i, reads, count)
			}
		}()
	}
	callers.Wait()
}

func TestAScreenshotOfAnotherSizeLeavesTheStreamAlone(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	viewer := d.handle(t)
	until(t, "I", ResultI, h264(viewer))
	shot := until(t, "screenshot", ResultJPEG, func() ([]byte, int) { return d.handle(t).ReadMjpeg(160, 120, 60) })
	picture, err := jpeg.Decode(bytes.NewReader(shot))
	if err != nil || picture.Bounds().Dx() != 160 || picture.Bounds().Dy() != 120 {
		t.Fatalf("%v", err)
	}
	for range 10 {
		if _, result := patient(h264(viewer)); result < 0 {
			t.Fatalf("the viewer got %d", result)
		}
	}
	for _, setting := range held(t, d) {
		if setting.Key == "size" && setting.Value != "320x240" || setting.Key == "quality" && setting.Value == "60" {
			t.Fatalf("the screenshot changed %+v", setting)
		}
	}
}

// published is the newest frame's number.
func (d *device) published(t *testing.T) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), livetest.Patience)
	defer cancel()
	streams, err := framering.Streams(ctx, d.Dir)
	if err != nil {
		t.Error(err)
	}
	for _, stream := range streams {
		if stream.Name == "hdmi/h264" {
			return stream.Head
		}
	}
	return 0
}

func held(t *testing.T, d *device) []framering.Setting {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), livetest.Patience)
	defer cancel()
	settings, err := framering.Settings(ctx, d.Dir, "hdmi/h264")
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// has waits until a setting has this value at the producer.
func (d *device) has(t *testing.T, key, value string) {
	t.Helper()
	d.Until(key+"="+value, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		settings, err := framering.Settings(ctx, d.Dir, "hdmi/h264")
		return err == nil && slices.ContainsFunc(settings, func(setting framering.Setting) bool {
			return setting.Key == key && setting.Value == value
		})
	})
}

func TestSettingsReachTheProducerAlsoWhenItComesLater(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	d := &device{World: w}
	k := d.handle(t)
	livetest.Within(t, 500*time.Millisecond, func() { k.SetGop(17) }) // waits for no broker
	d.broker = w.Broker()
	d.startProducer()
	until(t, "I", ResultI, func() ([]byte, int) { return k.ReadH264(640, 480, 1234) })
	w.Until("the settings are there", func() bool {
		found := map[string]string{}
		for _, setting := range held(t, d) {
			found[setting.Key] = setting.Value
		}
		return found["gop"] == "17" && found["bitrate-kbps"] == "1234" && found["size"] == "640x480"
	})
}

func TestValuesAreLimitedAsTheVendorsAre(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k := d.handle(t)
	until(t, "I", ResultI, h264(k))
	k.SetGop(200)
	d.has(t, "gop", "100")
	for range viewerReads {
		until(t, "JPEG", ResultJPEG, func() ([]byte, int) { return k.ReadMjpeg(0, 0, 100) })
		until(t, "P", ResultP, func() ([]byte, int) { return k.ReadH264(0, 0, 20000) })
	}
	d.has(t, "quality", "99")
	d.has(t, "bitrate-kbps", "10000")
}

func TestSettingsReachTheProducerThatTakesItsPlace(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k, other := d.handle(t), d.handle(t)
	until(t, "I", ResultI, h264(k))
	k.SetGop(17)
	other.SetGop(18) // the last word counts, whoever said it
	k.SetFrameDetect(60)
	d.has(t, "gop", "18")
	d.has(t, "frame-detect", "on")
	d.producer.Kill()
	until(t, "no producer", ResultNoImage, h264(k))
	d.startProducer()
	until(t, "I", ResultI, h264(k))
	d.has(t, "gop", "18")
	d.has(t, "frame-detect", "on")
	k.SetFrameDetect(0)
	d.has(t, "frame-detect", "off")
}

func TestHDMISwitchedOffIsNoSignalForEverybody(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k, other := d.handle(t), d.handle(t)
	until(t, "I", ResultI, h264(k))
	until(t, "JPEG", ResultJPEG, mjpeg(other))
	if result := k.SetHDMI(false); result != 0 {
		t.Fatalf("SetHDMI(false): %d", result)
	}
	until(t, "off", ResultNoImage, h264(k))
	until(t, "off", ResultNoImage, mjpeg(other))
	for range 5 { // and it stays so
		if data, result := other.ReadH264(0, 0, 0); result != ResultNoImage {
			t.Fatalf("%d bytes, result %d while HDMI is off", len(data), result)
		}
	}
	d.Until("there is no signal, as HDMI is off", func() bool { return !k.HasHDMISignal() })
	if result := other.SetHDMI(true); result != 0 {
		t.Fatalf("SetHDMI(true): %d", result)
	}
	until(t, "on", ResultI, h264(k))
	until(t, "on", ResultJPEG, mjpeg(other))
	d.Until("there is a signal, as HDMI is on", k.HasHDMISignal)
}

func TestWithoutABrokerReadsSayNoImageAndThenConnect(t *testing.T) {
	t.Parallel()
	w := livetest.New(t)
	d := &device{World: w}
	k := d.handle(t)
	livetest.Within(t, 1500*time.Millisecond, func() {
		if _, result := k.ReadH264(0, 0, 0); result != ResultNoImage {
			t.Fatalf("%d", result)
		}
	})
	if k.HasHDMISignal() || k.SetHDMI(true) != -1 {
		t.Fatal("something answered without a broker")
	}
	d.broker = w.Broker()
	if _, result := k.ReadMjpeg(0, 0, 0); result != ResultNoImage {
		t.Fatalf("without a producer: %d", result)
	}
	d.startProducer()
	until(t, "connect", ResultI, h264(k))
}

func TestFaultsOfTheSourceShowAsTheVendorsCodes(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k := d.handle(t)
	for _, c := range []struct {
		command []string
		code    int
	}{
		{[]string{"no_signal"}, ResultNoImage},
		{[]string{"unsupported_resolution"}, ResultUnsupportedResolution},
		{[]string{"resolution", "640x480"}, ResultChangingResolution},
		{[]string{"encoder_error", "50"}, ResultEncoderError},
	} {
		until(t, "a picture before "+c.command[0], ResultI, h264(k))
		d.fault(t, c.command...)
		until(t, c.command[0], c.code, h264(k))
		if c.code == ResultNoImage {
			d.Until("there is no signal", func() bool { return !k.HasHDMISignal() })
		}
		d.fault(t, "ok")
	}
	until(t, "a picture after all faults", ResultI, h264(k))
	d.producer.Kill()
	until(t, "the producer's death", ResultNoImage, h264(k))
	d.startProducer()
	until(t, "the producer's return", ResultI, h264(k))
}

func TestTheSamePictureAgainIsUnchanged(t *testing.T) {
	t.Parallel()
	d := newDevice(t)
	k := d.handle(t)
	k.SetFrameDetect(5)
	until(t, "JPEG", ResultJPEG, mjpeg(k))
	d.fault(t, "still", "on")
	until(t, "unchanged", ResultUnchanged, mjpeg(k))
	d.fault(t, "still", "off")
	until(t, "changed", ResultJPEG, mjpeg(k))
}
