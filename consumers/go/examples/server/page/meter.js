// SPDX-License-Identifier: Apache-2.0

// Says once a second under a picture how often another one came.
export class Meter {
  constructor(element) {
    this.element = element;
    this.pictures = 0;
    setInterval(() => this.tell(), 1000);
  }

  picture(width, height) {
    ++this.pictures;
    this.size = `${width} × ${height}`;
  }

  tell() {
    this.element.value = this.pictures ? `${this.size}, ${this.pictures} fps` : (this.trouble ?? 'no picture');
    this.pictures = 0;
  }
}
