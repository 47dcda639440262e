// SPDX-License-Identifier: Apache-2.0

package kvmvision

import (
	"bytes"
	"image"
	"image/jpeg"

	"framering"
)

// picture is the frame as it came, or a new one of the size that was asked for.
func (s *source) picture(frame *framering.Frame, width, height, quality uint16) ([]byte, int) {
	if width == 0 || height == 0 || uint32(width) == frame.Width && uint32(height) == frame.Height {
		return frame.Data, ResultJPEG
	}
	decoded, err := jpeg.Decode(bytes.NewReader(frame.Data))
	if err != nil {
		return nil, ResultEncoderError
	}
	full, planar := decoded.(*image.YCbCr)
	if !planar {
		return frame.Data, ResultJPEG
	}
	scaled := image.NewYCbCr(image.Rect(0, 0, int(width), int(height)), full.SubsampleRatio)
	from, to := full.Rect.Size(), scaled.Rect.Size()
	scalePlane(scaled.Y, scaled.YStride, to, full.Y, full.YStride, from)
	fromC, toC := chromaSize(full), chromaSize(scaled)
	scalePlane(scaled.Cb, scaled.CStride, toC, full.Cb, full.CStride, fromC)
	scalePlane(scaled.Cr, scaled.CStride, toC, full.Cr, full.CStride, fromC)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, scaled, &jpeg.Options{Quality: min(max(int(quality), 50), 100)}); err != nil {
		return nil, ResultEncoderError
	}
	return out.Bytes(), ResultJPEG
}

func chromaSize(picture *image.YCbCr) image.Point {
	return image.Pt(picture.CStride, len(picture.Cb)/picture.CStride)
}

// scalePlane takes the mean of the source pixels that a target pixel covers, at least one.
func scalePlane(to []byte, toStride int, toSize image.Point, from []byte, fromStride int, fromSize image.Point) {
	for y := range toSize.Y {
		top := y * fromSize.Y / toSize.Y
		bottom := max(top+1, (y+1)*fromSize.Y/toSize.Y)
		for x := range toSize.X {
			left := x * fromSize.X / toSize.X
			right := max(left+1, (x+1)*fromSize.X/toSize.X)
			sum := 0
			for row := top; row < bottom; row++ {
				for _, pixel := range from[row*fromStride+left : row*fromStride+right] {
					sum += int(pixel)
				}
			}
			to[y*toStride+x] = byte(sum / ((bottom - top) * (right - left)))
		}
	}
}
